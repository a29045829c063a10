import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { captured } from "../../packages/inspector/test/support/captured.js";
import { openTestPage, type TestPage } from "../../packages/inspector/test/support/page.js";
import { missingProgram } from "../support/requires.js";

const text = readFileSync(new URL("../../docs/inspector-api.md", import.meta.url), "utf8");
const run = promisify(execFile);

const blocks = (language: string): string[] =>
  [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)]
    .filter(([, of]) => of === language)
    .map(([, , code = ""]) => code);

let inspector: TestPage;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "inspector-api-"));
  inspector = await openTestPage();
  inspector.add(captured({ method: "POST", path: "/mcp", status: 500, body: "{}", entry: { id: 1 } }));
});
afterAll(async () => {
  await inspector.close();
  await rm(folder, { recursive: true });
});

describe("docs/inspector-api.md", () => {
  it.skipIf(missingProgram("curl"))("has commands that work as they are written", async () => {
    const [given = "", ...rest] = blocks("sh");
    expect(given).toContain("THE-SECRET");
    const variables = given.replace(/^INSPECTOR=.*$/m, `INSPECTOR='${inspector.url}'`);
    const stream = rest.findIndex((block) => block.includes("/api/stream"));
    const script = [variables, ...rest.filter((_block, at) => at !== stream)].join("");
    const curl = 'curl() { command curl --fail --silent --show-error "$@"; echo; }';
    const { stdout } = await run("sh", ["-eu", "-c", `${curl}\n${script}`], { cwd: folder });
    const lines = stdout.split("\n");
    expect(lines).toContain('{"value":"s3cret"}');
    expect(lines.filter((line) => line.startsWith('{"id":77}'))).toHaveLength(2);
    expect(JSON.parse(readFileSync(join(folder, "mcp.har"), "utf8"))).toHaveProperty("log");
    expect(inspector.asked).toEqual([
      [1, { confirmed: true }],
      [1, { confirmed: true, edit: { path: "/mcp?again" } }],
    ]);

    // It never ends.
    const reader = spawn("sh", ["-eu", "-c", `${variables}\nexec ${rest[stream]}`]);
    let told = "";
    for await (const chunk of reader.stdout) {
      told += String(chunk);
      if (told.includes('"type":"servers"')) break;
    }
    reader.kill();
    expect(told.split("\n").filter((line) => line.startsWith('{"type":'))).toHaveLength(4);
  });

  it("has a program that works as it is written", async () => {
    const [program = ""] = blocks("js");
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], {
      env: { ...process.env, INSPECTOR: inspector.url },
    });
    expect(stdout).toBe("POST /mcp 500\n");
  });

  it("names every path, filter and code of the API", () => {
    const own = ["api.ts", "rules.ts", "streams.ts", "problem.ts"].map(
      (name) => `inspector/src/server/${name}`,
    );
    const shared = ["rules.ts", "body.ts", "routes.ts", "problem.ts"].map(
      (name) => `shared/src/page/${name}`,
    );
    const sources = [...own, ...shared].map((path) =>
      readFileSync(new URL(`../../packages/${path}`, import.meta.url), "utf8"),
    );
    const all = sources.join("\n");
    const paths = [...all.matchAll(/route\("([^"]+)"/g)].map(([, path = ""]) => path);
    expect(paths.length).toBeGreaterThan(12);
    for (const path of paths) expect(text).toMatch(new RegExp(`^\\| \`(?:GET|POST|DELETE) ${path}\``, "m"));
    const codes = [...all.matchAll(/ApiProblem\(\s*(\d+),\s*"(\w+)"/g)];
    expect(codes.length).toBeGreaterThan(10);
    for (const [, status = "", code = ""] of codes) {
      expect(text).toMatch(new RegExp(`^\\| ${status} \\| .*\`${code}\``, "m"));
    }
    const model = readFileSync(new URL("../../packages/inspector/src/model.ts", import.meta.url), "utf8");
    const filters = /interface Filters \{([^]*?)^\}/m.exec(model)?.[1] ?? "";
    const names = [...filters.matchAll(/readonly (\w+)\?/g)].map(([, name = ""]) => name);
    expect(names.length).toBe(12);
    for (const name of names) expect(text).toMatch(new RegExp(`^\\| \`${name}\` \\|`, "m"));
  });
});
