import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { GateEvent } from "mcp-tunnel-gate";
import { bounding } from "../src/tunnel/gate-events.js";
import { gateEventText } from "../src/render/visitor-lines.js";

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
  const refused: GateEvent = { type: "refused", reason: "proof", count: 500, address: undefined };
  const granted: GateEvent = { type: "granted", grant: "1", clientName: "x", user: "owner", by: "passcode" };
  for (let i = 0; i < 100; i++) tell(asked);
  tell(denied);
  tell(limited);
  tell(granted);
  tell(granted);
  // The gate has gathered these: none of their counts may be lost.
  tell(refused);
  tell(refused);
  expect(told).toEqual([
    ["asked", 0],
    ["denied", 0],
    ["denied", 0],
    ["granted", 0],
    ["granted", 0],
    ["refused", 0],
    ["refused", 0],
  ]);
  vi.advanceTimersByTime(1_000);
  expect(told.slice(7)).toEqual([["asked", 98]]);
  // What comes now is held back again.
  tell(asked);
  expect(told).toHaveLength(8);
  vi.advanceTimersByTime(2_000);
  expect(told.slice(8)).toEqual([["asked", 0]]);
  tell(asked);
  expect(told).toHaveLength(10);
});

it("of several who ask within a second none is lost without a word, and the last has its name", () => {
  const told: string[] = [];
  const tell = bounding((event, others) => told.push(gateEventText(event, others)));
  for (const clientName of ["One", "Two", "Three"]) {
    tell({ type: "asked", clientName, redirectHost: "x.test", address: undefined });
  }
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual([
    '"One" asks for access; the answer goes to x.test',
    '"Three" asks for access (and 1 more); the answer goes to x.test',
  ]);
});

it("denials are counted for each reason", () => {
  const told: unknown[] = [];
  const tell = bounding((event, others) => told.push([event.type === "denied" && event.reason, others]));
  for (let i = 0; i < 5; i++) {
    for (const reason of ["wrong_passcode", "expired"] as const) {
      tell({ type: "denied", reason, clientName: "x", address: undefined });
    }
  }
  vi.advanceTimersByTime(1_000);
  const first = [
    ["wrong_passcode", 0],
    ["expired", 0],
  ];
  expect(told).toEqual([...first, ["wrong_passcode", 3], ["expired", 3]]);
});

it("its timers keep no process", () => {
  vi.useRealTimers();
  const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  bounding(() => {})({ type: "asked", clientName: "x", redirectHost: "x.test", address: undefined });
  expect(process.getActiveResourcesInfo().filter((name) => name === "Timeout")).toHaveLength(timers);
});
