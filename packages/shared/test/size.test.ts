import { describe, expect, it } from "vitest";
import { exactBytes, formatBytes, parseBytes } from "../src/index.js";

describe("a size", () => {
  it.each([
    ["65536", 65_536],
    ["128KiB", 131_072],
    ["5 MB", 5_000_000],
    ["1GiB", 1_073_741_824],
    ["7B", 7],
    ["", undefined],
    ["-1", undefined],
    ["1.5MiB", 1_572_864],
    ["1.5 kB", 1_500],
    ["1.3KiB", 1_331],
    ["1.5", undefined],
    ["1.5B", undefined],
    ["5  MB", undefined],
    ["5M", undefined],
    ["128kib", undefined],
    ["999999999999999GiB", undefined],
  ])("of %j is %s bytes", (given, bytes) => expect(parseBytes(given)).toBe(bytes));
});

describe("a size for people", () => {
  it.each([
    [0, "0 B"],
    [1_023, "1023 B"],
    [5_242_880, "5 MiB"],
    [32_768, "32 KiB"],
    [1_610_612_736, "1.5 GiB"],
    [1_000_000, "977 KiB"],
    [2 ** 53, "8192 TiB"],
  ])("%s is %j", (bytes, shown) => expect(formatBytes(bytes)).toBe(shown));
});

describe("a size to the byte", () => {
  it.each([
    [0, "0"],
    [1_000, "1000"],
    [65_536, "64KiB"],
    [5_242_880, "5MiB"],
    [1_610_612_736, "1536MiB"],
    [2 ** 40, "1024GiB"],
  ])("%i is %s, and is read so", (bytes, text) => {
    expect(exactBytes(bytes)).toBe(text);
    expect(parseBytes(text)).toBe(bytes);
  });
});
