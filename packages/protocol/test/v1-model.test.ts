import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fuzzTimeoutMs, runs } from "./support/fuzz.js";
import { World } from "./support/world.js";
import type { Behaviour, SideName, Step } from "./support/world.js";

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "performance"],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

const side = fc.constantFrom<SideName>("relay", "client");
const stream = fc.nat(7);
const windowSizes = fc.constantFrom(300, 2_000, 10_000, 100_000);
const size = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 200 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 6_000 }) },
  // A whole window, so that credit runs out with nothing left to send.
  { weight: 2, arbitrary: windowSizes },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 15_000 }) },
);
const trailers = fc.constantFrom<string[]>([], [], ["T", "v"], ["T", "", "t", "w"]);
const rarely = fc.option(fc.integer({ min: 1, max: 4 }), { freq: 12, nil: undefined });

const behaviour: fc.Arbitrary<Behaviour> = fc.record({
  eager: fc.boolean(),
  early: fc.boolean(),
  endsOnEnd: fc.boolean(),
  writesOnDrain: fc.constantFrom(0, 0, 1, 5_000),
  resetsAt: fc.constant(undefined),
  throwsAt: fc.constant(undefined),
});
const badBehaviour: fc.Arbitrary<Behaviour> = fc
  .tuple(behaviour, rarely, rarely)
  .map(([good, resetsAt, throwsAt]) => ({ ...good, resetsAt, throwsAt }));

function steps(how: { cuts: boolean; resets: boolean; congestion: boolean }): fc.Arbitrary<Step[]> {
  const character = how.resets ? badBehaviour : behaviour;
  const all: fc.WeightedArbitrary<Step>[] = [
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("open" as const),
        body: fc.boolean(),
        upgrade: fc.boolean(),
        relay: character,
        client: character,
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("interim" as const), stream }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("head" as const), stream, end: fc.boolean() }) },
    { weight: 12, arbitrary: fc.record({ do: fc.constant("write" as const), stream, side, size }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("refused" as const), count: fc.nat(5).map((n) => n + 1) }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("end" as const), stream, side, trailers }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant("consume" as const), stream, side, bytes: size }) },
    {
      weight: 16,
      arbitrary: fc.record({
        do: fc.constant("deliver" as const),
        side,
        bytes: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 100_000 })),
        whole: fc.boolean(),
      }),
    },
    {
      weight: 10,
      arbitrary: fc.record({
        do: fc.constant("time" as const),
        ms: fc.constantFrom(0, 0, 0, 1, 60, 150, 600, 3_100),
      }),
    },
  ];
  if (how.resets) {
    all.push({
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("reset" as const),
        stream,
        side,
        code: fc.constantFrom("cancelled" as const, "no_error" as const, "internal" as const),
      }),
    });
    all.push({ weight: 1, arbitrary: fc.record({ do: fc.constant("goaway" as const), side }) });
  }
  if (how.cuts) {
    all.push({
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("cut" as const),
        noticed: fc.constantFrom("both" as const, "relay" as const, "client" as const),
      }),
    });
    all.push({
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("connect" as const), lost: fc.nat(3).map((n) => n === 0) }),
    });
  }
  if (how.congestion) {
    all.push({
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("congest" as const),
        side,
        bytes: fc.constantFrom(0, 0, 300_000, 2_000_000),
      }),
    });
  }
  return fc.array(fc.oneof(...all), { minLength: 5, maxLength: 90, size: "max" });
}

async function play(
  plan: Step[],
  relayWindow: number,
  clientWindow: number,
  maxUnacknowledgedBytes: number,
): Promise<void> {
  const world = new World({
    relay: { receiveWindow: relayWindow, sendWindow: clientWindow, maxUnacknowledgedBytes },
    client: { receiveWindow: clientWindow, sendWindow: relayWindow, maxUnacknowledgedBytes },
  });
  const idle: string[] = [];
  try {
    for (const step of plan) {
      // oxlint-disable-next-line no-await-in-loop -- one step after the other
      await world.step(step);
      // Without growth, no more than a window is ever held for a stream that is not passed on.
      for (const { relay, client } of world.streams) {
        expect(relay.received - relay.consumed).toBeLessThanOrEqual(relayWindow);
        expect(client.received - client.consumed).toBeLessThanOrEqual(clientWindow);
      }
    }
    await world.settle();
    world.check();
    expect(world.problems).toEqual([]);

    await world.finish();
    world.check();
    expect(world.problems).toEqual([]);
    for (const side of ["relay", "client"] as const) {
      const session = world.session(side);
      expect([side, session.streamCount, session.queuedBytes, session.unacknowledgedBytes]).toEqual([
        side,
        0,
        0,
        0,
      ]);
      void session.idle().then(() => idle.push(side));
    }
    expect(world.relay.received + world.client.received).toBeGreaterThanOrEqual(0);
    await Promise.resolve();
    expect(idle).toEqual(["relay", "client"]);
  } finally {
    world.relay.close(1000, "");
    world.client.close(1000, "");
    vi.advanceTimersByTime(0);
  }
  expect(vi.getTimerCount()).toBe(0);
}

describe("two sessions and a model of their streams agree", () => {
  it.each<[string, number, Parameters<typeof steps>[0]]>([
    ["on one link", 100, { cuts: false, resets: false, congestion: false }],
    ["on one link, with resets and faults", 120, { cuts: false, resets: true, congestion: false }],
    ["on a congested link", 120, { cuts: false, resets: true, congestion: true }],
    ["over links that are cut at any byte", 200, { cuts: true, resets: false, congestion: false }],
    ["with everything at once", 300, { cuts: true, resets: true, congestion: true }],
  ])(
    "%s",
    async (_name, numRuns, how) => {
      await fc.assert(
        fc.asyncProperty(steps(how), windowSizes, windowSizes, fc.constantFrom(2_000, 33_554_432), play),
        runs(numRuns),
      );
    },
    fuzzTimeoutMs,
  );
});
