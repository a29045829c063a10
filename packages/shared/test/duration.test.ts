import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration } from "../src/index.js";

describe("a duration", () => {
  it.each([
    ["500ms", 500],
    ["90", 90_000],
    [" 90s ", 90_000],
    ["1.5m", 90_000],
    ["0.0004s", 0],
    ["2h", 7_200_000],
    ["0", 0],
    ["", undefined],
    ["s", undefined],
    ["5x", undefined],
    ["-1s", undefined],
    ["1 s", 1_000],
    ["1d", 86_400_000],
    ["1  s", undefined],
    ["1S", undefined],
    ["1.s", undefined],
    ["1h30m", undefined],
    ["1e3", undefined],
    ["12345678901", undefined],
  ])("of %j is %s ms", (given, ms) => expect(parseDuration(given)).toBe(ms));

  it.each([
    [0, "0ms"],
    [1, "1ms"],
    [1_500, "1500ms"],
    [75_000, "75s"],
    [60_000, "1m"],
    [600_000, "10m"],
    [7_200_000, "2h"],
    [2_592_000_000, "30d"],
  ])("of %i ms is written %s, and read so", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
    expect(parseDuration(text)).toBe(ms);
  });
});
