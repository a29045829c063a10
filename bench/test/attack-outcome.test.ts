import { describe, expect, it } from "vitest";
import { attacks } from "../src/attacks/attacks.js";
import { cells, type Outcome, passed } from "../src/attacks/outcome.js";

const mebibyte = 1_048_576;

/** The outcome of an attack that did no harm. */
function outcome(name: string, changes: Partial<Outcome> = {}): Outcome {
  const attack = attacks.find((candidate) => candidate.name === name);
  if (attack === undefined) throw new Error(`no attack ${name}`);
  return {
    attack,
    seconds: 10,
    attempts: 5,
    failures: {},
    limits: new Map([["header_time", 2]]),
    idleBytes: 90 * mebibyte,
    peakBytes: 200 * mebibyte,
    honest: { answered: 1_000, failures: {}, p50Ms: 2, p99Ms: 20 },
    ending: { socketsBefore: 4, socketsLeft: 4, endedAfterMs: 1_100 },
    ...changes,
  };
}

describe("an attack", () => {
  it("has a name of its own that --only can say", () => {
    const names = attacks.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => name.includes(","))).toEqual([]);
  });

  it("that does no harm is within all bounds", () => {
    expect(passed(outcome("connects"))).toEqual([]);
  });

  it("that leaves sockets, keeps the relay from ending or from answering its operator is beyond them", () => {
    const ending = { socketsBefore: 4, socketsLeft: 204, endedAfterMs: undefined };
    expect(passed(outcome("connects", { ending, limits: undefined }))).toEqual([
      "connects: the relay gave no metrics within 10 s",
      "connects: 200 sockets were left",
      "connects: SIGTERM did not end it within 8 s",
    ]);
    expect(cells(outcome("connects", { ending })).slice(-2)).toEqual(["200", "killed"]);
  });

  it("of uploads that nobody reads may leave sockets", () => {
    const ending = { socketsBefore: 4, socketsLeft: 53, endedAfterMs: 5_100 };
    expect(passed(outcome("uploads", { ending }))).toEqual([]);
    expect(cells(outcome("uploads", { ending })).slice(-2)).toEqual(["49 unread", "5.1"]);
  });

  it("on a client is judged by the client's memory and by what it answers afterwards", () => {
    const failures = { "the client did not come back": 1 };
    const found = outcome("hostile relay", { peakBytes: 600 * mebibyte, failures });
    expect(passed(found)).toEqual([
      "hostile relay: the client used 629 MB",
      "hostile relay: honest requests failed: 1 x the client did not come back",
    ]);
    expect(cells(found)[3]).toBe("client: 94 → 629");
  });
});
