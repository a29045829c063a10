import type { TunnelError } from "mcp-tunnel-protocol";
import { exitStatus, statusOf } from "../options/exit-status.js";
import type { TunnelSettings } from "../options/tunnel-options.js";
import type { Renderer } from "../render/renderer.js";
import { explainRefusal } from "../tunnel/refusal.js";

/**
 * Tells why a tunnel has ended, and returns the exit status for that. `isFirst`: it was never connected.
 * Default: it was, or the relay has answered.
 */
export function failed(
  error: TunnelError,
  settings: TunnelSettings,
  renderer: Pick<Renderer, "failed">,
  isFirst = false,
): number {
  const { subdomain } = settings.client;
  // The library names its own option. In a config file the name is also that of the tunnel.
  error.message = error.message.replace(
    ": ask for one of them as the subdomain",
    () => `${subdomain === undefined ? "" : `, and not '${subdomain}'`}: ask for one of them by --subdomain`,
  );
  explainRefusal(error, settings);
  const hasGivenUp = isFirst && error.isHopeless === true && settings.client.waitForRelay !== true;
  if (hasGivenUp) error.message += "; gave up (--wait-for-relay goes on trying)";
  renderer.failed(error);
  return hasGivenUp ? exitStatus.hopeless : statusOf(error);
}
