import { chmodSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isName, matchesPattern } from "mcp-tunnel-protocol";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import { drawName, keepName, keptName, listSlots } from "../../src/state/index.js";
import { TestFolder } from "./support.js";

const closing = closingAfterEach();

function tunnel(served = "http://localhost:3000") {
  const folder = closing(new TestFolder()).path;
  return { relayUrl: "https://tunnel.example.com", token: "s3cret", served, folder };
}

describe("a name that is drawn", () => {
  it.each(["*", "dev-*", "*-preview", "pr-*-corp", `${"x".repeat(55)}-*`, `${"x".repeat(63)}*`])(
    "fits %s, is a name, and is another one each time",
    (pattern) => {
      const names = new Set(Array.from({ length: 20 }, () => drawName(pattern)));
      for (const name of names) {
        expect(matchesPattern(pattern, name), name).toBe(true);
        expect(isName(name), name).toBe(true);
      }
      if (pattern.length < 60) expect(names.size).toBeGreaterThan(10);
    },
  );
});

describe("a name that is kept", () => {
  it("is there at the next start, for the same relay, token and service", async () => {
    const one = tunnel();
    expect(keptName(one)).toBeUndefined();
    await keepName(one, "lusab-babad");
    expect(keptName({ ...one, relayUrl: "wss://tunnel.example.com/" })).toBe("lusab-babad");
    expect(keptName({ ...one, served: "http://localhost:4000" })).toBeUndefined();
    expect(keptName({ ...one, token: "other" })).toBeUndefined();
    await keepName(one, "gutih-tugad");
    expect(keptName(one)).toBe("gutih-tugad");
  });

  it("does not make a tunnel that has something to show", async () => {
    const one = tunnel();
    await keepName(one, "lusab-babad");
    expect(listSlots(one.folder)).toEqual([]);
  });

  it.runIf(process.getuid !== undefined)("is read by nobody else, and not taken from others", async () => {
    const one = tunnel();
    await keepName(one, "lusab-babad");
    const [slot = ""] = readdirSync(one.folder).map((name) => join(one.folder, name));
    const file = readdirSync(slot).find((name) => name.startsWith("name-")) ?? "";
    expect((statSync(join(slot, file)).mode & 0o777).toString(8)).toBe("600");
    writeFileSync(join(slot, file), "../evil\n");
    expect(keptName(one)).toBeUndefined();
    chmodSync(join(slot, file), 0o666);
    expect(() => keptName(one)).toThrow(/is open to others/);
  });
});
