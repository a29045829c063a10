import { flag, maxTimerMs, onlyObjectOf, text, unusable, wholeNumber } from "mcp-tunnel-protocol";

/** Let's Encrypt. */
const defaultDirectory = "https://acme-v02.api.letsencrypt.org/directory";

/** How the relay gets its certificate from a certification authority that speaks ACME (RFC 8555). */
export interface AcmeOptions {
  /**
   * The address to which the authority reports problems. If you give it, you agree to the authority's terms.
   */
  email: string;
  /**
   * A program that sets and clears the TXT records by which the authority sees that you own the domain. It is
   * called as `HOOK set|clear _acme-challenge.<domain> <value>` and answers with its exit status, 0 for
   * success. `set` adds a value to those that are there, because a domain and its wildcard need two values at
   * once.
   */
  hook: string;
  /** The authority's directory. Default: Let's Encrypt. */
  directory?: string;
  /**
   * Folder for the account's key and the certificate. Created with mode 0700. Default `acme`. A relay with a
   * `member` has no folder: both are kept by the cluster, for all its relays.
   */
  storage?: string;
  /** How long a new record takes until all name servers show it. Default 30,000. */
  propagationMs?: number;
  /**
   * Several processes of one machine share `storage`, also if they have a `member`. One of them orders the
   * certificates (`false`). The others take what they find there, now and whenever it changes (`true`).
   * Default: the relay is alone, or its cluster keeps the certificate.
   */
  follows?: boolean;
}

export const acmeShape = onlyObjectOf({
  email: text(),
  hook: text(),
  directory: text().optional(),
  storage: text().optional(),
  propagationMs: wholeNumber(0, maxTimerMs).optional(),
  follows: flag.optional(),
} satisfies Record<keyof AcmeOptions, unknown>);

export type ResolvedAcmeOptions = Required<Omit<AcmeOptions, "follows">> & Pick<AcmeOptions, "follows">;

/** @throws TunnelError `invalid_option`. */
export function checkDirectory(directory: string): string {
  if (URL.canParse(directory) && new URL(directory).protocol === "https:") return directory;
  throw unusable(`the ACME directory '${directory}' is not an https URL`, {
    options: ["tls.acme.directory"],
  });
}

/** @throws TunnelError `invalid_option`. */
export function checkEmail(email: string): string {
  if (/^[^\s@]+@[^\s@]+$/.test(email)) return email;
  throw unusable(`the ACME email '${email}' is not an address`, { options: ["tls.acme.email"] });
}

/** @throws TunnelError `invalid_option`. */
export function resolveAcmeOptions(options: AcmeOptions): ResolvedAcmeOptions {
  return {
    email: checkEmail(options.email),
    hook: options.hook,
    directory: checkDirectory(options.directory ?? defaultDirectory),
    storage: options.storage ?? "acme",
    propagationMs: options.propagationMs ?? 30_000,
    ...(options.follows === undefined ? {} : { follows: options.follows }),
  };
}
