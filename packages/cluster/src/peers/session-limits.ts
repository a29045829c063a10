import type { V1Options } from "mcp-tunnel-protocol/sessions";

/**
 * Limits of a session between two relays, in place of those for a tunnel. Behind such a session are the
 * visitors of all tunnels that one relay takes to the other.
 */
export const sessionLimits = {
  // Each request of a visitor is a stream, and so is each event stream that stays open. The relays count the
  // requests of each tunnel and address, so this number is only to bound memory.
  maxStreams: 65_536,
  // Four times a tunnel's: visitors who read slowly hold up to a window each. Beyond it the slowest visitor
  // of the tunnel is cut whose visitors hold the most.
  maxQueuedBytes: 268_435_456,
  // Twice a tunnel's: open streams go on sending small frames while a lost link is made again, and at twice
  // this number the session would end. All sessions of a process share 128 MiB, whatever they have.
  maxUnacknowledgedBytes: 67_108_864,
} as const satisfies V1Options;
