import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { servicesTable } from "../services/matrix/page.js";
import { allSoftware } from "../services/matrix/software/all.js";

const file = fileURLToPath(new URL("../../docs/services.md", import.meta.url));
const begin = "<!-- services:begin: written by `npx vitest run test/docs/services.test.ts --update` -->\n\n";
const end = "\n\n<!-- services:end -->";

describe("docs/services.md", () => {
  it("says what the tests of the matrix find", async () => {
    const page = readFileSync(file, "utf8");
    const [before, rest = ""] = page.split(begin);
    const after = rest.slice(rest.indexOf(end));
    await expect(`${before}${begin}${servicesTable(allSoftware)}${after}`).toMatchFileSnapshot(file);
  });
});
