import { readdirSync, readFileSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { maxPictureBytes } from "../pictures/limit.js";

const root = new URL("../../", import.meta.url);
const readme = readFileSync(new URL("README.md", root), "utf8");
const shown = [...readme.matchAll(/!\[[^\]]+\]\((docs\/pictures\/[^)]+)\)/g)].map(([, path = ""]) => path);

describe("the pictures of the README", () => {
  it("are those that the script makes", () => {
    const made = readdirSync(new URL("docs/pictures/", root)).map((name) => `docs/pictures/${name}`);
    expect(shown.toSorted()).toEqual(made.toSorted());
    expect(shown).toContain("docs/pictures/inspector.webp");
    expect(shown).toContain("docs/pictures/terminal.webp");
  });

  it.each(shown)("are small: %s", (path) => {
    const file = new URL(path, root);
    expect(statSync(file).size).toBeLessThan(maxPictureBytes);
    // RIFF....WEBP
    expect(readFileSync(file).toString("latin1", 8, 12)).toBe("WEBP");
  });
});
