import { describe, expect, it } from "vitest";
import { parseBytes } from "../src/index.js";

describe("a size", () => {
  it.each([
    ["65536", 65_536],
    ["128KiB", 131_072],
    ["5 MB", 5_000_000],
    ["1GiB", 1_073_741_824],
    ["7B", 7],
    ["", undefined],
    ["-1", undefined],
    ["1.5MiB", undefined],
    ["128kib", undefined],
    ["999999999999999GiB", undefined],
  ])("of %j is %s bytes", (given, bytes) => expect(parseBytes(given)).toBe(bytes));
});
