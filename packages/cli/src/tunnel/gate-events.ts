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
 * fill the screen or a log. The last one of those that are held back comes when the second is over, with the
 * count of the others. The timers for that keep no process.
 */
export function bounding(onEvent: OnGateEvent): (event: GateEvent) => void {
  const held = new Map<string, Held>();
  const pause = (kind: string): void => {
    held.set(kind, { last: undefined, count: 0 });
    setTimeout(() => {
      const { last, count } = held.get(kind) as Held;
      held.delete(kind);
      if (last === undefined) return;
      pause(kind);
      onEvent(last, count - 1);
    }, pauseMs).unref();
  };
  return (event) => {
    const kind = kindOf(event);
    const before = kind === undefined ? undefined : held.get(kind);
    if (before !== undefined) {
      before.last = event;
      before.count += 1;
      return;
    }
    if (kind !== undefined) pause(kind);
    onEvent(event, 0);
  };
}

/** What was held back since the last event of its kind. */
interface Held {
  last: GateEvent | undefined;
  count: number;
}
