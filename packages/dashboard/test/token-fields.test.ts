import { describe, expect, it } from "vitest";
import { expiryOf, writtenExpiry } from "../page/src/tokens/expiry.js";
import { changeOf, draftOf, faultOf, fieldsOf } from "../page/src/tokens/fields.js";

describe("the form of a token", () => {
  it("gives back what it was filled with", () => {
    const fields = {
      subdomains: ["demo", "ann-*"],
      note: "Ann",
      expires: "2031-01-31T18:00:00Z",
      maxTunnels: 3,
      maxRequestsPerSecond: 50,
      maxBytesPerSecond: 1_500,
    };
    expect(fieldsOf(draftOf(fields))).toEqual(fields);
    expect(fieldsOf(draftOf({ subdomains: ["a"] }))).toEqual({ subdomains: ["a"] });
  });

  it("shows bytes in the largest unit in which they are whole", () => {
    const shown = (maxBytesPerSecond: number): [string, number] => {
      const draft = draftOf({ subdomains: ["a"], maxBytesPerSecond });
      return [draft.maxBytesPerSecond, draft.unit];
    };
    expect([shown(2_097_152), shown(3_072), shown(1_500)]).toEqual([
      ["2", 1_048_576],
      ["3", 1_024],
      ["1500", 1],
    ]);
  });

  it("sends what was changed alone, and null for what was taken away", () => {
    const before = draftOf({ subdomains: ["a"], note: "Ann", maxTunnels: 3 });
    expect(changeOf(before, before)).toEqual({});
    expect(changeOf(before, { ...before, note: " ", subdomains: "a, b" })).toEqual({
      note: null,
      subdomains: ["a", "b"],
    });
  });

  it.each([
    ["subdomains", { subdomains: " , " }],
    ["maxTunnels", { maxTunnels: "0" }],
    ["maxTunnels", { maxTunnels: "1.5" }],
    ["maxRequestsPerSecond", { maxRequestsPerSecond: "-1" }],
    ["maxBytesPerSecond", { maxBytesPerSecond: "much" }],
  ])("refuses %s that cannot be: %o", (field, change) => {
    expect(faultOf({ ...draftOf({ subdomains: ["a"] }), ...change })?.[0]).toBe(field);
  });

  it("takes the end of a day for the day", () => {
    expect(writtenExpiry("2031-02-01T00:00:00.000Z")).toBe("2031-01-31");
    expect(writtenExpiry("2031-02-01T00:00:01Z")).toBe("2031-02-01T00:00:01Z");
    expect(writtenExpiry("2031-01-31")).toBe("2031-01-31");
    expect(expiryOf("2031-01-31")).toBe(expiryOf("2031-02-01T00:00:00Z"));
    expect(expiryOf("soon")).toBeUndefined();
  });
});
