import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { broken, createPrivate, readPrivate, readPrivateLater, writePrivate } from "./files.js";
import { keyShape } from "../options.js";
import type { Drawn, SecretKind, Secrets, Slot } from "./slot.js";
import { secretKinds } from "./slot.js";

// Secrets are kept as they are, because `auth show` has to show them again. A digest would be enough for the
// gate, but then every restart would end the configuration of every host, or the person would keep the key in
// a worse place. A person who can read the files can also read the relay's token and the client's memory.
//
// Each secret has a file of its own, so that every write is a whole value. In one file for both, a client
// that adds a passcode could write back the key that `auth rotate` has just replaced. So no lock is needed: a
// draw creates the file if there is none (of two clients one draws, and both use that), a rotation replaces
// it.

/** The name of a key that was drawn, as the service and the screen see it. */
export const drawnKeyName = "default";

/** A key has 256 bits. The prefix lets scanners of secrets find it where it should not be. */
function drawKey(): string {
  return `mt_${randomBytes(32).toString("base64url")}`;
}

type SecretPaths = Readonly<Record<SecretKind, string>>;

export function secretFiles(folder: string): SecretPaths {
  return { key: join(folder, "key"), passcode: join(folder, "passcode") };
}

/**
 * What was drawn for a slot.
 * @throws TunnelError `unavailable`.
 */
export function readSecrets({ files }: Pick<Slot, "files">): Secrets {
  return secretsOf(readSecret(files, "key"), readSecret(files, "passcode"));
}

/** The same for a client that runs. @throws TunnelError `unavailable`. */
export async function readSecretsLater({ files }: { readonly files: SecretPaths }): Promise<Secrets> {
  const key = secretIn(files, "key", await readPrivateLater(files.key));
  return secretsOf(key, secretIn(files, "passcode", await readPrivateLater(files.passcode)));
}

export function secretsOf(key: string | undefined, passcode: string | undefined): Secrets {
  return {
    keys: key === undefined ? [] : [{ name: drawnKeyName, key }],
    ...(passcode === undefined ? {} : { passcode }),
  };
}

/** Draws what is wanted and is not there. @throws TunnelError `unavailable`. */
export async function drawMissing(
  folder: string,
  wanted: Readonly<Record<SecretKind, boolean>>,
  drawPasscode: () => string,
): Promise<Drawn> {
  const files = secretFiles(folder);
  const drawnNow = { key: false, passcode: false };
  for (const kind of secretKinds) {
    if (!wanted[kind] || readSecret(files, kind) !== undefined) continue;
    drawnNow[kind] = await createPrivate(files[kind], `${draw(kind, drawPasscode)}\n`);
  }
  return { secrets: readSecrets({ files }), drawnNow };
}

/** Draws new secrets in place of the old. @throws TunnelError `unavailable`. */
export async function drawAnew(
  folder: string,
  kinds: readonly SecretKind[],
  drawPasscode: () => string,
): Promise<Secrets> {
  const files = secretFiles(folder);
  for (const kind of kinds) await writePrivate(files[kind], `${draw(kind, drawPasscode)}\n`);
  return readSecrets({ files });
}

function draw(kind: SecretKind, drawPasscode: () => string): string {
  return kind === "key" ? drawKey() : drawPasscode();
}

/** A passcode may be words with spaces between. */
const shapes = { key: keyShape, passcode: /^[\x20-\x7e]{16,}$/ };

function readSecret(files: SecretPaths, kind: SecretKind): string | undefined {
  return secretIn(files, kind, readPrivate(files[kind]));
}

/** @throws TunnelError `unavailable` if the text of the file is no secret. */
function secretIn(files: SecretPaths, kind: SecretKind, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const secret = text.trimEnd();
  if (shapes[kind].test(secret)) return secret;
  const without = `Another ${kind} is drawn when the tunnel is started`;
  throw broken(files[kind], "it does not hold one line of at least 16 characters", without);
}
