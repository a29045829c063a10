import { Option } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { formatDuration } from "mcp-tunnel-shared";
import { Mistakes } from "mcp-tunnel-shared/command";
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
  const mistakes = new Mistakes(TunnelError);
  const tls = readTlsOptions(options, mistakes, redirectFd);
  mistakes.throwFirst();
  return tls;
}

/** The same, with all mistakes told to `mistakes`; then what is right is returned. */
export function readTlsOptions(
  options: TlsCliOptions,
  mistakes: Mistakes<TunnelError>,
  redirectFd?: number,
): TlsOptions | undefined {
  const { tlsCert: certs = [], tlsKey: keys = [], httpRedirect, acmeEmail, acmeHook, acmeDir } = options;
  if (certs.length !== keys.length) {
    const message = `each --tls-cert needs its --tls-key: there are ${certs.length} and ${keys.length}`;
    mistakes.add(unusable(message, { options: ["tls-cert", "tls-key"] }));
  }
  if ((acmeEmail === undefined) !== (acmeHook === undefined)) {
    const message = "--acme-email and --acme-hook go together";
    mistakes.add(unusable(message, { options: ["acme-email", "acme-hook"] }));
  }
  if (certs.length === 0 && acmeEmail === undefined && acmeHook === undefined) {
    if (redirectFd !== undefined)
      mistakes.add(unusable("a socket for redirects needs --tls-cert or --acme-email"));
    for (const [name, value] of Object.entries({ "http-redirect": httpRedirect, "acme-dir": acmeDir })) {
      if (value === undefined) continue;
      mistakes.add(unusable(`--${name} needs --tls-cert or --acme-email`, { options: [name] }));
    }
    return undefined;
  }
  return {
    files: certs.slice(0, keys.length).map((cert, i) => ({ cert, key: keys[i] as string })),
    ...(acmeEmail === undefined || acmeHook === undefined
      ? {}
      : {
          acme: {
            email: acmeEmail,
            hook: acmeHook,
            storage: options.acmeStorage,
            propagationMs: options.acmeWait,
            ...(acmeDir === undefined ? {} : { directory: acmeDir }),
          },
        }),
    ...(httpRedirect === undefined ? {} : { redirectPort: httpRedirect }),
    ...(redirectFd === undefined ? {} : { redirectFd }),
  };
}
