import { describe, expect, it } from "vitest";
import { bytesText, countText, durationText } from "../page/src/format.js";
import { rowWindow, scrolledTo } from "../page/src/traffic/window.js";

describe("the rows of a list that are in the document", () => {
  it("are all that are seen, and with those around them never more than 58", () => {
    for (const height of [0, 100, 600, 1_300, 1_590]) {
      for (let scrollTop = 0; scrollTop <= 56_000 - height; scrollTop += 333) {
        const { from, to } = rowWindow(scrollTop, height, 28, 2_000);
        expect(from).toBeLessThanOrEqual(Math.floor(scrollTop / 28));
        expect(to * 28).toBeGreaterThanOrEqual(scrollTop + height);
        expect(to).toBeLessThanOrEqual(2_000);
        expect(to - from).toBeLessThanOrEqual(58);
      }
    }
  });

  it("are all of a short list, and none of an empty one", () => {
    expect(rowWindow(0, 600, 28, 3)).toEqual({ from: 0, to: 3 });
    expect(rowWindow(0, 600, 28, 0)).toEqual({ from: 0, to: 0 });
    // The list has become shorter, and is still scrolled as far as it was.
    expect(rowWindow(50_000, 600, 28, 3)).toEqual({ from: 0, to: 3 });
  });

  it("come into view by the least scrolling", () => {
    expect(scrolledTo(0, 28, 100, 280)).toBe(0);
    expect(scrolledTo(5, 28, 100, 280)).toBe(100);
    expect(scrolledTo(20, 28, 100, 280)).toBe(21 * 28 - 280);
  });
});

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
