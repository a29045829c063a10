import { describe, expect, it } from "vitest";
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
