import { TunnelError } from "mcp-tunnel-protocol";

/**
 * Who may come in: e-mail addresses, and `@example.com` for all of a domain, but not of the domains below it.
 * Only visible ASCII with a single `@` is an address here. Others (`"a@b"@example.com`, full-width letters,
 * the Kelvin sign that becomes a `k` in lower case) would be read by the provider and by this list in
 * different ways.
 */
export class EmailList {
  readonly #entries: ReadonlySet<string>;

  /** @throws TunnelError `invalid_option` for an entry that is neither, and for an empty list. */
  constructor(entries: readonly string[]) {
    const wrong = entries.find((entry) => !entryPattern.test(entry));
    if (wrong !== undefined || entries.length === 0) {
      const what = wrong === undefined ? "at least one entry" : `other entries than "${wrong}"`;
      const message = `allowEmails needs ${what}: name@example.com or @example.com`;
      throw new TunnelError("invalid_option", message, { options: ["allowEmails"] });
    }
    this.#entries = new Set(entries.map((entry) => entry.toLowerCase()));
  }

  /** The address in lower case if it is on the list. */
  find(address: string): string | undefined {
    if (!addressPattern.test(address)) return undefined;
    const email = address.toLowerCase();
    return this.#entries.has(email) || this.#entries.has(email.slice(email.indexOf("@"))) ? email : undefined;
  }
}

const entryPattern = /^[!-?A-~]*@[a-z0-9-]+(?:\.[a-z0-9-]+)*$/i;
const addressPattern = /^[!-?A-~]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*$/i;
