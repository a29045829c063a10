import { expect, it } from "vitest";
import { sharesOf } from "../src/systems/shares.js";

it("divides all tunnels among four processes, and starts none without a tunnel", () => {
  expect(sharesOf(1)).toEqual([{ first: 1, count: 1 }]);
  expect(sharesOf(10)).toEqual([
    { first: 1, count: 2 },
    { first: 3, count: 3 },
    { first: 6, count: 2 },
    { first: 8, count: 3 },
  ]);
});
