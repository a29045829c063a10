import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { relayName } from "mcp-tunnel-client/options";
import { ensureFolder, fileVersion, readJson, writePrivate } from "mcp-tunnel-gate/files";
import { listOf, objectOf, text, TunnelError } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import { configFolder } from "./config-folder.js";

// Relays and the tokens for them, as `mcp-tunnel-client login` has kept them.
//
// A token is given to the relay for which it was kept, and to no other: scheme, host, port and path have to
// be the same. A token that was kept for https is never sent over plain http, and the client follows no
// redirect.
//
// Two logins at once: the later one to be written stays, and the file is whole at any time.

/** A relay, and the token by which it knows this user. */
export interface Credential {
  /** In the one spelling that `relayName` gives it. */
  readonly relay: string;
  readonly token: string;
}

/** What is in the file. */
interface Kept {
  readonly version: 1;
  /** In the order of the logins: the last one is the default. */
  readonly relays: Credential[];
}

const shape = objectOf<Kept>({
  version: fileVersion,
  relays: listOf(
    objectOf<Credential>({
      relay: text(),
      token: text().refine((token) => token !== "", "a string that is not empty"),
    }),
  ),
});

export function credentialsFile(): string {
  return join(configFolder(), "credentials.json");
}

/**
 * All that is kept, the default last.
 * @throws TunnelError `unavailable` if the file cannot be read, is broken, or is open to others.
 */
export function keptCredentials(): readonly Credential[] {
  const without = "mcp-tunnel-client login makes it anew";
  return readJson(credentialsFile(), shape, without)?.relays ?? [];
}

/**
 * What is kept for a relay, or for the one of the last login.
 * @throws TunnelError as {@link keptCredentials}; `invalid_option` if the relay's URL is none.
 */
export function keptCredential(relayUrl?: string): Credential | undefined {
  const relay = relayUrl === undefined ? undefined : relayName(relayUrl);
  return keptCredentials().findLast((kept) => relay === undefined || kept.relay === relay);
}

/**
 * Keeps a token for a relay, which is the default from now on. Returns the relay as it is kept.
 * @throws TunnelError `unavailable`; `invalid_option` if the relay's URL is none.
 */
export async function keepCredential(relayUrl: string, token: string): Promise<string> {
  const relay = relayName(relayUrl);
  const file = credentialsFile();
  // Others may look into the folder, which has a config file besides. They may not read this file.
  ensureFolder(dirname(file), { readable: true });
  await write([...keptCredentials().filter((kept) => kept.relay !== relay), { relay, token }]);
  return relay;
}

/** Forgets what is kept for a relay. @throws TunnelError `unavailable`. */
export async function forgetCredential(relay: string): Promise<void> {
  const rest = keptCredentials().filter((kept) => kept.relay !== relay);
  if (rest.length > 0) await write(rest);
  else removeFile();
}

async function write(relays: readonly Credential[]): Promise<void> {
  await writePrivate(credentialsFile(), `${JSON.stringify({ version: 1, relays }, undefined, 2)}\n`);
}

function removeFile(): void {
  const file = credentialsFile();
  try {
    rmSync(file, { force: true });
  } catch (error) {
    throw new TunnelError("unavailable", `cannot remove ${file}: ${messageOf(error)}`, {
      cause: error,
      file,
    });
  }
}
