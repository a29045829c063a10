import { printable, printableJson } from "mcp-tunnel-shared";
import { table } from "mcp-tunnel-shared/command";
import { createToken, listTokens, revokeToken } from "../../auth/token-file-edit.js";
import { type TokenEntry, tokenId } from "../../auth/token-list.js";
import { writeLine } from "../output/output.js";
import type { CreateOptions, FileOption, ListOptions } from "./token-options.js";

export async function create(options: CreateOptions): Promise<void> {
  const { token, id } = await createToken(options.tokenFile, {
    subdomains: options.subdomain,
    note: options.note,
    expires: options.expires,
    maxTunnels: options.maxTunnels,
  });
  // Only the token goes to stdout, for `TOKEN=$(mcp-tunnel token create ...)`.
  process.stderr.write(`created token ${id}; it is shown only now, the file holds nothing but its digest:\n`);
  writeLine(token);
}

export async function list({ tokenFile, json }: ListOptions): Promise<void> {
  const tokens = await listTokens(tokenFile);
  if (json === true) {
    writeLine(printableJson(tokens.map(toJson), 2));
    return;
  }
  const rows = tokens.map((entry) => [
    tokenId(entry.sha256),
    entry.subdomains.join(","),
    entry.expiresAt === undefined ? "never" : expiryText(entry.expiresAt),
    entry.maxTunnels === undefined ? "-" : String(entry.maxTunnels),
    entry.note ?? "",
  ]);
  for (const line of table(["ID", "SUBDOMAINS", "EXPIRES", "TUNNELS", "NOTE"], rows)) writeLine(line);
}

function toJson(entry: TokenEntry) {
  const { subdomains, note, expiresAt, maxTunnels } = entry;
  const expires = expiresAt === undefined ? undefined : new Date(expiresAt).toISOString();
  return { id: tokenId(entry.sha256), subdomains, note, expires, maxTunnels };
}

function expiryText(time: number): string {
  const text = new Date(time).toISOString().slice(0, 16).replace("T", " ");
  return time <= Date.now() ? `${text} (expired)` : text;
}

export async function revoke(id: string, { tokenFile }: FileOption): Promise<void> {
  const { sha256, note } = await revokeToken(tokenFile, id);
  writeLine(`revoked token ${tokenId(sha256)}${note === undefined ? "" : ` (${printable(note)})`}`);
}
