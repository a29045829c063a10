import type { GateEvent } from "mcp-tunnel-gate";

/** Least time between two events of one kind that strangers can bring about, in milliseconds. */
const pauseMs = 1_000;

/** `others`: how many events of the kind were left out before this one. */
export type OnGateEvent = (event: GateEvent, others: number) => void;

/**
 * The kind of an event that strangers bring about as often as they like. A wrong number is the owner's own,
 * and the gate itself gathers refused requests.
 */
function kindOf(event: GateEvent): string | undefined {
  if (event.type === "asked") return "asked";
  return event.type === "denied" && event.reason !== "wrong_number" ? event.reason : undefined;
}

/**
 * Passes events on, and of those that strangers bring about one a second of each kind, so that they cannot
 * fill the screen or a log.
 */
export function bounding(onEvent: OnGateEvent): (event: GateEvent) => void {
  const last = new Map<string, { atMs: number; others: number }>();
  return (event) => {
    const kind = kindOf(event);
    if (kind === undefined) {
      onEvent(event, 0);
      return;
    }
    const before = last.get(kind);
    const nowMs = performance.now();
    if (before !== undefined && nowMs - before.atMs < pauseMs) {
      before.others += 1;
      return;
    }
    last.set(kind, { atMs: nowMs, others: 0 });
    onEvent(event, before?.others ?? 0);
  };
}
