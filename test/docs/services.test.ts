import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { servicesTables } from "../services/matrix/page.js";
import { allSoftware } from "../services/matrix/software/all.js";

const file = fileURLToPath(new URL("../../docs/services.md", import.meta.url));
const begin = "<!-- services:begin: written by `npx vitest run test/docs/services.test.ts --update` -->";
const end = "<!-- services:end -->";

describe("docs/services.md", () => {
  it("says what the tests of the matrix find", async () => {
    const page = readFileSync(file, "utf8");
    const [beginAt, endAt] = [page.indexOf(begin), page.indexOf(end)];
    expect(beginAt).toBeGreaterThan(-1);
    expect(endAt).toBeGreaterThan(beginAt);
    const [before, after] = [page.slice(0, beginAt + begin.length), page.slice(endAt)];
    await expect(`${before}\n\n${servicesTables(allSoftware)}\n\n${after}`).toMatchFileSnapshot(file);
  });
});
