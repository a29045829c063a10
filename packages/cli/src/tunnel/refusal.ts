import { providerUnavailableReason } from "mcp-tunnel-protocol";
import type { TunnelError } from "mcp-tunnel-protocol";
import { clientVariable } from "../options/flags.js";
import type { TunnelSettings } from "../options/tunnel-options.js";

/** What the client's library says before the relay's reason. */
export const registrationRefused = "the relay refused the registration: ";

/** Reasons for which a token would not help: they are about the name, the number of tunnels or the relay. */
const otherReasons = ["subdomain '", "this token may have", providerUnavailableReason];

/** Adds to a refusal what the command knows of the token. */
export function explainRefusal(
  error: TunnelError,
  { token, client }: Pick<TunnelSettings, "token" | "client">,
): void {
  if (error.code === "taken") {
    error.message += "; ask for another by --subdomain, or take this one with --takeover always";
  }
  if (error.code !== "refused") return;
  const { relayUrl } = client;
  if (/(?:invalid token|token revoked|token expired)$/.test(error.message)) {
    if (token.kind === "kept") {
      error.message += `; mcp-tunnel-client login has kept the token for ${relayUrl}, and keeps another if you log in again`;
    }
    // A person may have forgotten a variable, which wins over what a login has kept.
    if (token.kind === "given" && !token.by.startsWith("--"))
      error.message += `; the token is that of ${token.by}`;
  }
  if (token.kind !== "none" || !error.message.startsWith(registrationRefused)) return;
  const reason = error.message.slice(registrationRefused.length);
  if (otherReasons.some((other) => reason.startsWith(other))) return;
  const hint =
    "add --token-file <path> or --token <token>, set MCP_TUNNEL_TOKEN, or keep one with " +
    `mcp-tunnel-client login${fileOfRelay()}`;
  if (reason === "invalid token") {
    error.message = `no token was given, and the relay at ${relayUrl} wants one: ${hint}`;
  } else error.message += `; no token was given: if the relay wants one, ${hint}`;
}

/** The person may have believed that this variable names the client's token. */
function fileOfRelay(): string {
  if (process.env["MCP_TUNNEL_TOKEN_FILE"] === undefined) return "";
  return ` (MCP_TUNNEL_TOKEN_FILE is the relay's, and not read: it is ${clientVariable("token-file")} here)`;
}
