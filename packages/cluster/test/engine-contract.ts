import { describe } from "vitest";
import { claimsContract } from "./contract/claims.js";
import { keepingContract } from "./contract/keeping.js";
import { limitsContract } from "./contract/limits.js";
import { nodesContract } from "./contract/nodes.js";
import { poolsContract } from "./contract/pools.js";
import { reconcileContract } from "./contract/reconcile.js";
import type { MakeState } from "./contract/test-cluster.js";

/**
 * What relays count on, of every engine. `make` gives an empty state for each test, with the times that the
 * test wants: long ones, or some hundred milliseconds that the test waits for if its clock is real.
 */
export function engineContract(what: string, make: MakeState, clock: "fake" | "real"): void {
  describe(`${what} as an engine`, () => {
    nodesContract(make);
    claimsContract(make);
    limitsContract(make);
    poolsContract(make, clock);
    reconcileContract(make);
    keepingContract(make);
  });
}
