import type { TunnelError } from "mcp-tunnel-protocol";
import { exitStatus } from "../options/exit-status.js";
import type { Renderer } from "../render/renderer.js";

/** Tells why a tunnel has ended, and returns the exit status for that. */
export function failed(error: TunnelError, renderer: Pick<Renderer, "failed">): number {
  // The library names its own option.
  const [words, ours] = ["ask for one of them as the subdomain", "ask for one of them by --subdomain"];
  error.message = error.message.replace(words, ours);
  renderer.failed(error);
  return statusOf(error);
}

function statusOf(error: TunnelError): number {
  switch (error.code) {
    case "refused":
      return exitStatus.refused;
    case "evicted":
      return exitStatus.evicted;
    case "invalid_option":
      return exitStatus.usage;
    default:
      return exitStatus.failed;
  }
}
