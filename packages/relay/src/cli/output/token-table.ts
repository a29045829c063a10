import { exactBytes, printable } from "mcp-tunnel-shared";
import { fittingTable } from "mcp-tunnel-shared/command";
import { secretsOf, type TokenEntry, tokenId } from "../../auth/token-list.js";

const head = ["ID", "SUBDOMAINS", "EXPIRES", "TUNNELS", "REQ/S", "BYTES/S", "NOTE"];

/** What a narrow terminal goes without, first to last. */
const dispensable = ["TUNNELS", "REQ/S", "BYTES/S", "NOTE"];

/** A note is cut to no less, in characters. */
const leastNote = 12;

/**
 * Tokens as lines for a person. An old secret that is kept has a line of its own below its successor's.
 * `now` is in milliseconds since 1970. `width`: characters in a line of the terminal. Names and notes are cut
 * for it, and columns are left out.
 */
export function tokenTable(
  tokens: readonly TokenEntry[],
  now: number,
  width = Number.POSITIVE_INFINITY,
): string[] {
  // The columns that stay beside the names take that much, with the longest of dates.
  const rows = rowsOf(tokens, now, Math.max(width - 34, 20));
  const lines = (noteRoom: number): string[] => {
    const fitted = rows.map((row) => [...row.slice(0, -1), cut(row.at(-1) ?? "", noteRoom)]);
    return fittingTable(head, fitted, { width, dispensable });
  };
  if (width === Number.POSITIVE_INFINITY) return lines(width);
  // The columns are those that have room beside the shortest notes. Notes get what is left.
  const used = Math.max(
    ...lines(leastNote)
      .slice(0, rows.length + 1)
      .map((line) => line.length),
  );
  return lines(leastNote + Math.max(0, width - used));
}

function rowsOf(tokens: readonly TokenEntry[], now: number, namesRoom: number): string[][] {
  return tokens.flatMap((token) =>
    secretsOf(token).map((secret, age) => [
      tokenId(secret.sha256),
      cut(secret.subdomains.join(","), namesRoom),
      endOf(secret, now),
      orDash(secret.maxTunnels),
      orDash(secret.maxRequestsPerSecond),
      secret.maxBytesPerSecond === undefined ? "-" : exactBytes(secret.maxBytesPerSecond),
      printable(age === 0 ? (secret.note ?? "") : `old secret of ${tokenId(token.sha256)}`),
    ]),
  );
}

function cut(text: string, room: number): string {
  if (text.length <= room) return text;
  // No half of a character that takes two code units is left.
  return `${text.slice(0, room - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

function orDash(value: number | undefined): string {
  return value === undefined ? "-" : String(value);
}

function endOf({ expiresAt }: TokenEntry, now: number): string {
  if (expiresAt === undefined) return "never";
  const text = new Date(expiresAt).toISOString().slice(0, 16).replace("T", " ");
  return expiresAt <= now ? `expired ${text.slice(0, 10)}` : text;
}
