import type { Command } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { readSecret, sourceName } from "mcp-tunnel-shared/command";
import type { OptionValues } from "mcp-tunnel-shared/command";
import type { TunnelClientOptions } from "mcp-tunnel-client";
import { checkRelayHeaders, registerUrl, relayName } from "mcp-tunnel-client/options";
import { keptCredential } from "../credentials/credentials.js";
import { readCertificates } from "./certificate-option.js";
import { environmentProxy } from "./environment-proxy.js";
import { option } from "./flags.js";
import { addLine, readSecretLines } from "./secret-lines.js";

/** The values of the flags of {@link addRelayOptions}. */
export interface RelayFlags {
  relay?: string;
  proxy?: string;
}

const defaultToken =
  "by default the one that login has kept for the relay, or else a random one, for open relays";

/**
 * Adds the flags that say which relay is meant, how it is reached, and by which token it knows the client.
 * `withoutToken`: what happens if there is no token, for the help.
 */
export function addRelayOptions(command: Command, withoutToken = defaultToken): Command {
  return command
    .addOption(
      option(
        "--relay <url>",
        "the relay: an https, http, wss or ws URL; without a scheme, https. By default the one of the last login",
      ),
    )
    .addOption(
      option(
        "--proxy <url>",
        "an HTTP proxy on the way to the relay; by default HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide",
      ),
    )
    .addOption(
      option(
        "--relay-ca <path>",
        "a file with the certificates to believe at the relay, as PEM, in place of the known authorities: that " +
          "of an authority of your own, or the relay's itself",
      ),
    )
    .addOption(
      option(
        "--relay-header <field>",
        "'Name: value', for an access proxy in front of the relay; can be given several times. It shows in the " +
          "process list: a file is better",
      ).argParser(addLine),
    )
    .addOption(
      option("--relay-header-file <path>", "read such fields from a file: one on each line, # for comments"),
    )
    .addOption(option("--token <token>", `the token that the relay knows; ${withoutToken}`))
    .addOption(
      option("--token-file <path>", "read the token from a file, so that it is not in the process list"),
    );
}

/** The options of the client about the relay: where it is, the way to it, and who asks. */
export type RelayClientOptions = Pick<
  TunnelClientOptions,
  "relayUrl" | "proxyUrl" | "relayTls" | "relayHeaders" | "token"
>;

/** Those of all options of a client. */
export function relayPart(options: RelayClientOptions): RelayClientOptions {
  const { relayUrl, proxyUrl, relayTls, relayHeaders, token } = options;
  return {
    relayUrl,
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
    ...(relayTls === undefined ? {} : { relayTls }),
    ...(relayHeaders === undefined ? {} : { relayHeaders }),
    ...(token === undefined ? {} : { token }),
  };
}

/** The relay, the way to it, and the token. */
export interface RelayOptions {
  readonly client: RelayClientOptions;
  readonly token: TokenSource;
}

interface GivenToken {
  readonly token: string;
  /** The option or the variable. */
  readonly by: string;
}

/** Where a token comes from. */
export type TokenSource =
  | { readonly kind: "given"; readonly by: string }
  /** A login has kept it. */
  | { readonly kind: "kept" }
  /** There is none: a random one, which only open relays take. */
  | { readonly kind: "none" };

/**
 * Reads the flags of {@link addRelayOptions}. The command line wins over the environment, and the environment
 * over what a login has kept.
 * @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read.
 */
export function readRelayOptions(flags: RelayFlags, command: Command): RelayOptions {
  const given = readToken(command);
  // What was kept is not read, and cannot be wrong, if it is not needed.
  const kept = given === undefined || flags.relay === undefined ? keptCredential(flags.relay) : undefined;
  const relayUrl = flags.relay ?? kept?.relay;
  if (relayUrl === undefined) throw noRelay();
  const token = given?.token ?? kept?.token;
  return {
    client: { ...wayTo(relayUrl, flags, command), ...(token === undefined ? {} : { token }) },
    token:
      given === undefined ? { kind: kept === undefined ? "none" : "kept" } : { kind: "given", by: given.by },
  };
}

/** @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read. */
export function readToken(command: Command): GivenToken | undefined {
  const token = readSecret(command, "token", TunnelError);
  if (token === undefined) return undefined;
  const isOfOption = command.getOptionValue("token") === token;
  return { token, by: sourceName(command, isOfOption ? "token" : "token-file") };
}

/**
 * The relay and the way to it.
 * @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read.
 */
export function wayTo(relayUrl: string, { proxy }: RelayFlags, values: OptionValues): RelayClientOptions {
  const url = registerUrl(relayUrl);
  const proxyUrl = proxy ?? environmentProxy(url);
  const ca = readCertificates(values, "relay-ca", {
    isSecure: url.startsWith("wss:"),
    shown: relayName(relayUrl),
  });
  const relayHeaders = readHeaders(values);
  return {
    relayUrl,
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
    ...(ca === undefined ? {} : { relayTls: { ca } }),
    ...(relayHeaders === undefined ? {} : { relayHeaders }),
  };
}

/**
 * The fields of `--relay-header`. Messages name the place of a field, and never its value.
 * @throws TunnelError `invalid_option`.
 */
function readHeaders(values: OptionValues): Record<string, string> | undefined {
  const headers = new Map<string, [name: string, value: string]>();
  for (const { text, place } of readSecretLines(values, "relay-header")) {
    const options = ["relay-header"];
    const at = text.indexOf(":");
    if (at < 1) throw unusable(`${place} is not 'Name: value'`, { options });
    const name = text.slice(0, at).trim();
    const value = text.slice(at + 1).trim();
    try {
      checkRelayHeaders({ [name]: value }, place);
    } catch (error) {
      if (!(error instanceof TunnelError)) throw error;
      throw unusable(error.message, { cause: error, options });
    }
    if (headers.has(name.toLowerCase())) {
      throw unusable(`${place}: the field '${name}' is there twice`, { options });
    }
    headers.set(name.toLowerCase(), [name, value]);
  }
  return headers.size === 0 ? undefined : Object.fromEntries(headers.values());
}

export function noRelay(): TunnelError {
  return unusable(
    "no relay is given: add --relay <url>, set MCP_TUNNEL_RELAY, or keep one with mcp-tunnel-client login",
    { options: ["relay"] },
  );
}
