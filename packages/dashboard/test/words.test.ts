import { expect, it } from "vitest";
import { byteRateText, rateText } from "../page/src/parts/numbers.js";
import { longText, untilText } from "../page/src/parts/when.js";

it("writes rates and long times as short as they can be read", () => {
  expect([0, 0.01, 0.44, 9.94, 12.4, 1_204.4].map(rateText)).toEqual([
    "0",
    "<0.1",
    "0.4",
    "9.9",
    "12",
    "1,204",
  ]);
  expect(byteRateText(1_536.4)).toBe("1.5 KiB/s");
  expect([0, 59_999, 61_000, 7_440_000, 172_800_000].map(longText)).toEqual([
    "0 s",
    "59 s",
    "1 min",
    "2 h 4 min",
    "2 days",
  ]);
  expect(untilText(90_000, 0)).toBe("in 1 min");
  expect(untilText(0, 90_000)).toBe("1 min ago");
});
