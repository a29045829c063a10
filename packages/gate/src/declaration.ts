import { hash, scrypt } from "node:crypto";
import { type GateKind, gateKinds, type GateOptions } from "./options.js";

/** What a relay is told of a gate. */
export interface GateDeclaration {
  /** The kinds of proofs that it takes. Empty if only the address decides. */
  readonly kinds: readonly GateKind[];
  /** The same for two gates with the same settings. It reveals none of them. */
  readonly digest: string;
}

/**
 * A relay's operator could try passwords until the digest fits. So a digest of passwords takes scrypt (RFC
 * 7914) with 64 MiB, a tenth of a second for each try. The salt is fixed, because two gates have to come to
 * the same digest. Keys and passcodes are too long to be tried.
 */
const cost = { N: 65_536, r: 8, p: 1, maxmem: 128 * 1024 * 1024 };
const salt = "mcp-tunnel-gate settings 1";

export async function declare(options: GateOptions): Promise<GateDeclaration> {
  const settings = settingsOf(options);
  const digest =
    options.basic === undefined ? hash("sha256", salt + settings, "buffer") : await slow(settings);
  return {
    kinds: gateKinds.filter((kind) => options[kind] !== undefined),
    digest: digest.toString("base64url"),
  };
}

function slow(settings: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(settings, salt, 32, cost, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

/** The settings in an order of their own. */
function settingsOf({ bearer, basic, oauth, allowAddresses }: GateOptions): string {
  const { title, passcode, terminal, login, issParameter } = oauth ?? {};
  return JSON.stringify({
    bearer: bearer?.keys.map(({ name, key }) => [name, key]).toSorted(byText),
    basic: basic?.users.map(({ name, password }) => [name, password]).toSorted(byText),
    oauth: oauth && [title, passcode, terminal, issParameter],
    login: login && [login.issuer, login.clientId, login.clientSecret, login.allowEmails.toSorted()],
    allowAddresses: allowAddresses?.toSorted(),
  });
}

function byText(one: readonly string[], other: readonly string[]): number {
  return String(one) < String(other) ? -1 : 1;
}
