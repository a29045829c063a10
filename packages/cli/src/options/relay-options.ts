import type { Command } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { readSecret } from "mcp-tunnel-shared/command";
import type { TunnelClientOptions } from "mcp-tunnel-client";
import { registerUrl } from "mcp-tunnel-client/options";
import { environmentProxy } from "./environment-proxy.js";
import { option } from "./flags.js";

/** The values of the flags of {@link addRelayOptions}. */
export interface RelayFlags {
  relay?: string;
  proxy?: string;
}

/** Adds the flags that say which relay is meant, how it is reached, and by which token it knows the client. */
export function addRelayOptions(command: Command): Command {
  return command
    .addOption(option("--relay <url>", "the relay: an https, http, wss or ws URL; without a scheme, wss"))
    .addOption(
      option(
        "--proxy <url>",
        "an HTTP proxy on the way to the relay; by default HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide",
      ),
    )
    .addOption(
      option("--token <token>", "the token that the relay knows; by default a random one, for open relays"),
    )
    .addOption(
      option("--token-file <path>", "read the token from a file, so that it is not in the process list"),
    );
}

/** The relay, the proxy on the way to it, and the token. */
export type RelayOptions = Pick<TunnelClientOptions, "relayUrl" | "proxyUrl" | "token">;

/** @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read. */
export function readRelayOptions(flags: RelayFlags, command: Command): RelayOptions {
  const { relay } = flags;
  if (relay === undefined) {
    throw unusable("no relay is given: add --relay <url>, or set MCP_TUNNEL_RELAY", { options: ["relay"] });
  }
  const token = readSecret(command, "token", TunnelError);
  const proxyUrl = flags.proxy ?? environmentProxy(registerUrl(relay));
  return {
    relayUrl: relay,
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
    ...(token === undefined ? {} : { token }),
  };
}
