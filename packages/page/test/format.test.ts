import { expect, it } from "vitest";
import { bytesText, countText, durationText } from "../src/format.js";

it("writes bytes, times and counts with units that fit", () => {
  expect([0, 843, 1_234, 5_242_880].map(bytesText)).toEqual(["0 B", "843 B", "1.2 KiB", "5.0 MiB"]);
  expect([0.42, 12.3, 999.6, 12_345, 59_960, 185_000, 7_440_000].map(durationText)).toEqual([
    "0.4 ms",
    "12 ms",
    "1.00 s",
    "12.3 s",
    "1 min 0 s",
    "3 min 5 s",
    "2 h 4 min",
  ]);
  expect([countText(1, "body", "bodies"), countText(1_204, "exchange")]).toEqual([
    "1 body",
    "1,204 exchanges",
  ]);
});
