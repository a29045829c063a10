import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { GateEvent } from "mcp-tunnel-gate";
import { bounding } from "../src/gate-events.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/**
 * The attack: a stranger asks for access again and again, each time under another name, until nobody finds
 * the lines of the tunnel any more.
 */
it("what strangers bring about comes once a second of each kind, and the rest is counted", () => {
  const told: [string, number][] = [];
  const tell = bounding((event, others) => told.push([event.type, others]));
  const asked: GateEvent = { type: "asked", clientName: "x", redirectHost: "x.test", address: undefined };
  const denied: GateEvent = { type: "denied", reason: "wrong_passcode", clientName: "x", address: undefined };
  const limited: GateEvent = { ...denied, reason: "too_many_tries" };
  const refused: GateEvent = { type: "refused", count: 500, address: undefined };
  const granted: GateEvent = { type: "granted", grant: "1", clientName: "x", user: "owner", by: "passcode" };
  for (let i = 0; i < 100; i++) tell(asked);
  tell(denied);
  tell(limited);
  tell(granted);
  tell(granted);
  // The gate has gathered these: none of their counts may be lost.
  tell(refused);
  tell(refused);
  vi.advanceTimersByTime(1_000);
  tell(asked);
  expect(told).toEqual([
    ["asked", 0],
    ["denied", 0],
    ["denied", 0],
    ["granted", 0],
    ["granted", 0],
    ["refused", 0],
    ["refused", 0],
    ["asked", 99],
  ]);
});
