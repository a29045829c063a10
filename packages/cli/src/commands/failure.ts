import type { TunnelError } from "mcp-tunnel-protocol";
import { statusOf } from "../options/exit-status.js";
import type { TunnelSettings } from "../options/tunnel-options.js";
import type { Renderer } from "../render/renderer.js";
import { explainRefusal } from "../tunnel/refusal.js";

/** Tells why a tunnel has ended, and returns the exit status for that. */
export function failed(
  error: TunnelError,
  settings: TunnelSettings,
  renderer: Pick<Renderer, "failed">,
): number {
  // The library names its own option.
  const [words, ours] = ["ask for one of them as the subdomain", "ask for one of them by --subdomain"];
  error.message = error.message.replace(words, ours);
  explainRefusal(error, settings);
  renderer.failed(error);
  return statusOf(error);
}
