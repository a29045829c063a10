import { TunnelError } from "mcp-tunnel-protocol";

/**
 * The relay that was called has ended: nobody listens at its address, or another relay does. A relay listens
 * as long as it has sessions. Its lease tells of its death only seconds later.
 */
export class RelayGone extends Error {}

/** Whether a call failed because the relay has ended, and not because it cannot be reached now. */
export function isOfRelayGone(error: unknown): boolean {
  return error instanceof TunnelError && error.cause instanceof RelayGone;
}

/** Whether an error of a connection means that nobody listens at the address. */
export function isUnheard({ code }: NodeJS.ErrnoException): boolean {
  // The path of a unix socket is there as long as somebody listens, and perhaps longer.
  return code === "ECONNREFUSED" || code === "ENOENT";
}
