import { END, types, UPGRADE, type WireFrame } from "./wire.js";

// What clients and relays of the first release know of the wire (commit 3f63e07). They are in use, and close
// the link for a frame that they do not know. So nothing is ever added here.

/** The longest payload of each type of frame, and the flags that it may have. */
const rules = new Map<number, { maxBytes: number; flags: number }>([
  [types.ACK, { maxBytes: 8, flags: 0 }],
  [types.REQUEST, { maxBytes: 262_144, flags: END | UPGRADE }],
  [types.INTERIM, { maxBytes: 262_144, flags: 0 }],
  [types.RESPONSE, { maxBytes: 262_144, flags: END }],
  [types.DATA, { maxBytes: 262_144, flags: END }],
  [types.END, { maxBytes: 65_536, flags: 0 }],
  [types.RESET, { maxBytes: 1_026, flags: 0 }],
  [types.CREDIT, { maxBytes: 4, flags: 0 }],
  [types.BLOCKED, { maxBytes: 0, flags: 0 }],
  [types.GOAWAY, { maxBytes: 0, flags: 0 }],
]);

/** Whether the first release takes the frame. */
export function isOfFirstRelease({ type, flags, payload }: WireFrame): boolean {
  const rule = rules.get(type);
  return rule !== undefined && payload.length <= rule.maxBytes && (flags & ~rule.flags) === 0;
}

/** The fields of its messages before a session. */
export const firstFields = {
  register: ["token", "subdomain", "protocol", "instance", "window", "client", "returning", "resume"],
  acknowledge: ["subdomain", "url", "protocol", "session", "window", "resumeTimeoutMs", "resumed"],
} as const;
