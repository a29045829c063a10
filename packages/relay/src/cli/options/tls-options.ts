import { Option } from "commander";
import { unusable } from "mcp-tunnel-protocol";
import { formatDuration } from "mcp-tunnel-shared";
import type { TlsOptions } from "../../tls/tls.js";
import { ValueOption } from "./value-option.js";
import { collect, readDurationMs, readPort } from "./values.js";

/** The options about TLS. */
export interface TlsCliOptions {
  tlsCert?: string[];
  tlsKey?: string[];
  httpRedirect?: number;
  acmeEmail?: string;
  acmeHook?: string;
  acmeDir?: string;
  acmeStorage: string;
  acmeWait: number;
}

export const tlsOptions: readonly Option[] = [
  new Option(
    "--tls-cert <FILE>",
    "serve HTTPS and HTTP/2 at --port, with this certificate and its chain (PEM); read again when it changes or on " +
      "SIGHUP; may be repeated: each visitor gets the certificate for the host name",
  ).argParser(collect),
  new Option("--tls-key <FILE>", "the key of each --tls-cert, in the same order").argParser(collect),
  new Option("--http-redirect <PORT>", "redirect visitors of this port, such as 80, to HTTPS").argParser(
    readPort,
  ),
  new Option(
    "--acme-email <ADDRESS>",
    "get and renew a certificate for DOMAIN and *.DOMAIN by ACME; with it you agree to the authority's terms",
  ),
  new Option(
    "--acme-hook <PROGRAM>",
    "program that sets DNS records, called as PROGRAM set|clear _acme-challenge.DOMAIN VALUE; required " +
      "with --acme-email",
  ),
  new Option("--acme-dir <URL>", "ACME directory of the authority (default: Let's Encrypt)"),
  new Option(
    "--acme-storage <FOLDER>",
    "folder for the account's key and the certificate; with --cluster they are kept in Redis instead",
  ).default("acme"),
  new ValueOption(
    "--acme-wait <DURATION>",
    "how long a new record takes until all name servers show it",
    formatDuration,
  )
    .default(30_000)
    .argParser(readDurationMs),
];

/**
 * The relay's options for TLS; `undefined` when it is to speak plain HTTP. `redirectFd` is a socket to use
 * instead of the port of `--http-redirect`.
 * @throws TunnelError `invalid_option`.
 */
export function tlsOptionsOf(options: TlsCliOptions, redirectFd?: number): TlsOptions | undefined {
  const { tlsCert: certs = [], tlsKey: keys = [], httpRedirect, acmeEmail, acmeHook, acmeDir } = options;
  if (certs.length !== keys.length) {
    throw unusable(`each --tls-cert needs its --tls-key: there are ${certs.length} and ${keys.length}`, {
      options: ["tls-cert", "tls-key"],
    });
  }
  if ((acmeEmail === undefined) !== (acmeHook === undefined)) {
    throw unusable("--acme-email and --acme-hook go together", { options: ["acme-email", "acme-hook"] });
  }
  const acme =
    acmeEmail === undefined || acmeHook === undefined
      ? undefined
      : {
          email: acmeEmail,
          hook: acmeHook,
          storage: options.acmeStorage,
          propagationMs: options.acmeWait,
          ...(acmeDir === undefined ? {} : { directory: acmeDir }),
        };
  if (certs.length === 0 && acme === undefined) {
    if (redirectFd !== undefined) throw unusable("a socket for redirects needs --tls-cert or --acme-email");
    if (httpRedirect === undefined && acmeDir === undefined) return undefined;
    const given = httpRedirect === undefined ? "acme-dir" : "http-redirect";
    throw unusable(`--${given} needs --tls-cert or --acme-email`, { options: [given] });
  }
  return {
    files: certs.map((cert, i) => ({ cert, key: keys[i] as string })),
    ...(acme === undefined ? {} : { acme }),
    ...(httpRedirect === undefined ? {} : { redirectPort: httpRedirect }),
    ...(redirectFd === undefined ? {} : { redirectFd }),
  };
}
