import { gateRequiredReason, providerUnavailableReason } from "mcp-tunnel-protocol";
import type { TunnelError } from "mcp-tunnel-protocol";
import { clientVariable } from "../options/flags.js";
import type { TunnelSettings } from "../options/tunnel-options.js";

/** Reasons of a refusal that no other token helps against: they are about the name, the gate or the relay. */
const otherReasons = [
  "the relay does not give the name",
  "the relay takes only tunnels with a gate",
  "the relay allows this token no name",
  `: ${gateRequiredReason}`,
  `: ${providerUnavailableReason}`,
  ": subdomain '",
  ": this token may have",
];

/** Adds to a refusal what the command knows of the token. */
export function explainRefusal(
  error: TunnelError,
  { token, client }: Pick<TunnelSettings, "token" | "client">,
): void {
  if (error.code !== "refused" || otherReasons.some((reason) => error.message.includes(reason))) return;
  const { relayUrl } = client;
  if (token.kind === "kept") {
    error.message += `; mcp-tunnel-client login has kept the token for ${relayUrl}, and keeps another if you log in again`;
  }
  if (token.kind !== "none") return;
  const hint =
    "add --token-file <path> or --token <token>, set MCP_TUNNEL_TOKEN, or keep one with mcp-tunnel-client login" +
    fileOfRelay();
  const isUnknown = error.message.endsWith(": invalid token");
  if (isUnknown) error.message = `no token was given, and the relay at ${relayUrl} wants one: ${hint}`;
  else error.message += `; no token was given: if the relay wants one, ${hint}`;
}

/** The person may have believed that this variable names the client's token. */
function fileOfRelay(): string {
  if (process.env["MCP_TUNNEL_TOKEN_FILE"] === undefined) return "";
  return ` (MCP_TUNNEL_TOKEN_FILE is the relay's, and not read: it is ${clientVariable("token-file")} here)`;
}
