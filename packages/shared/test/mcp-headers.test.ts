import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeHeaderValue, encodeHeaderValue } from "../src/mcp-headers.js";

describe("values of Mcp-Name and Mcp-Param-*", () => {
  it.each([
    ["add", "add"],
    ["a b\tc", "a b\tc"],
    ["", ""],
    ["grün", "=?base64?Z3LDvG4=?="],
    [" add", "=?base64?IGFkZA==?="],
    ["add\t", "=?base64?YWRkCQ==?="],
    ["a\r\nX-Evil: 1", "=?base64?YQ0KWC1FdmlsOiAx?="],
    ["=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="],
  ])("%j is written %s", (text, value) => {
    expect(encodeHeaderValue(text)).toBe(value);
  });

  it("are read as they were written, and fit for a header", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const value = encodeHeaderValue(text);
        expect(value).toMatch(/^[\t\x20-\x7e]*$/);
        expect(decodeHeaderValue(value)).toBe(text);
      }),
    );
  });
});
