import type { Command } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { readSecret, sourceName } from "mcp-tunnel-shared/command";
import type { TunnelClientOptions } from "mcp-tunnel-client";
import { registerUrl } from "mcp-tunnel-client/options";
import { keptCredential } from "../credentials/credentials.js";
import { environmentProxy } from "./environment-proxy.js";
import { option } from "./flags.js";

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
    .addOption(option("--token <token>", `the token that the relay knows; ${withoutToken}`))
    .addOption(
      option("--token-file <path>", "read the token from a file, so that it is not in the process list"),
    );
}

/** The relay, the proxy on the way to it, and the token. */
export interface RelayOptions {
  readonly client: Pick<TunnelClientOptions, "relayUrl" | "proxyUrl" | "token">;
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
  const proxyUrl = proxyTo(relayUrl, flags);
  return {
    client: {
      relayUrl,
      ...(proxyUrl === undefined ? {} : { proxyUrl }),
      ...(token === undefined ? {} : { token }),
    },
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

/** The proxy on the way to a relay. @throws TunnelError `invalid_option`. */
export function proxyTo(relayUrl: string, { proxy }: RelayFlags): string | undefined {
  return proxy ?? environmentProxy(registerUrl(relayUrl));
}

export function noRelay(): TunnelError {
  return unusable(
    "no relay is given: add --relay <url>, set MCP_TUNNEL_RELAY, or keep one with mcp-tunnel-client login",
    { options: ["relay"] },
  );
}
