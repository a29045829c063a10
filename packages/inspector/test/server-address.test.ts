import { describe, expect, it } from "vitest";
import { why } from "../src/server/address.js";

const refused = (code: string): Error => Object.assign(new Error(code), { code });

describe("a port on which the inspector may not listen", () => {
  it("is one of the system's where low ports are, and of a range that Windows keeps there", () => {
    expect(why(refused("EACCES"), "linux")).toContain("above 1023");
    expect(why(refused("EACCES"), "darwin")).toContain("above 1023");
    expect(why(refused("EACCES"), "win32")).toMatch(
      /netsh int ipv4 show excludedportrange tcp.*another port/,
    );
    expect(why(refused("EADDRINUSE"), "win32")).toBe(why(refused("EADDRINUSE"), "linux"));
  });
});
