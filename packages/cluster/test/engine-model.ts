import fc from "fast-check";
import { it } from "vitest";
import { fuzzTimeoutMs, runs } from "../../protocol/test/support/fuzz.js";
import type { MakeState } from "./contract/test-cluster.js";
import { type Client, type Step, World } from "./model/world.js";

const times = { leaseMs: 60, keepNamesMs: 120, verdictMs: 60_000 };
/** By a real clock names may not be freed between two steps, because the machine was slow. */
const realTimes = { ...times, keepNamesMs: 60_000 };

const node = fc.nat(2);
const client: fc.Arbitrary<Client> = fc.record({
  owner: fc.constantFrom("token", "token", "another"),
  instance: fc.constantFrom("x", "x", "y", "z", undefined),
  pool: fc.constantFrom(undefined, undefined, "", "gate"),
});

/** Names of few letters, so that most claims meet others. */
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("claim" as const),
      node,
      name: fc.constantFrom("app", "app", "api", "web", "old", "new"),
      client,
      mayEvict: fc.boolean(),
      isUnheard: fc.constantFrom(false, false, false, false, true),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom("release" as const, "moves" as const, "moves" as const, "forget" as const),
      node,
      at: fc.nat(5),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(
        "reconcile" as const,
        "reconcile" as const,
        "renew" as const,
        "die" as const,
        "deaf" as const,
      ),
      node,
    }),
  },
);

/** Steps that run at once. Time passes between them alone. */
const steps: fc.Arbitrary<Step[]> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(step) },
  { weight: 3, arbitrary: fc.array(step, { minLength: 2, maxLength: 4 }) },
  { weight: 1, arbitrary: fc.constant<Step[]>([{ do: "long" }]) },
);

/**
 * Three nodes claim, release, die and come back in any order, alone and at once. `numRuns`: how often that is
 * tried. By a real clock a try takes `leaseMs`, and no name is kept too long.
 */
export function engineModel(what: string, make: MakeState, numRuns: number, clock: "fake" | "real"): void {
  const used = clock === "fake" ? times : realTimes;
  it(
    `${what} keeps every name for one client or one pool, whatever the nodes do`,
    async () => {
      const property = fc.asyncProperty(fc.array(steps, { maxLength: 40 }), async (all) => {
        const world = new World(await make(used), used);
        try {
          await world.start();
          for (const each of all) await world.run(each);
          await world.settle();
        } finally {
          await world.close();
        }
      });
      await fc.assert(property, runs(numRuns));
    },
    fuzzTimeoutMs,
  );
}
