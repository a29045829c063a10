import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { TokenFileAuthenticator } from "../../packages/relay/src/auth/token-file.js";
import { silentLogger } from "../../packages/relay/src/telemetry/log.js";
import { secret, startAdmin } from "../admin/in-process.js";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";

const closing = closingAfterEach();
const text = readFileSync(new URL("../../docs/dashboard.md", import.meta.url), "utf8");
const api = text.slice(text.indexOf("## The API"));

describe("the API in docs/dashboard.md", () => {
  it.skipIf(missingProgram("curl"))("has commands that work as they are written", async () => {
    const folder = closing(createFolder());
    const tokenFile = folder.write("tokens.yaml", "tokens: []\n");
    const authenticator = await TokenFileAuthenticator.open(tokenFile, silentLogger);
    const admin = closing(await startAdmin({ authenticator }, { tokenFile }));
    const [, block = ""] = /^```sh\n([^]*?)^```$/m.exec(api) ?? [];
    const commands = block
      .replace("http://127.0.0.1:9090", admin.origin)
      .replace("/etc/mcp-tunnel/admin-secret", folder.write("admin-secret", `${secret}\n`));
    const curl = 'curl() { command curl --fail --silent --show-error "$@"; echo; }';
    const { stdout } = await promisify(execFile)("sh", ["-eu", "-c", `${curl}\n${commands}`]);
    const answers = stdout.split("\n").filter((line) => line !== "");
    expect(answers.map((line) => Object.keys(JSON.parse(line) as object))).toEqual([
      expect.arrayContaining(["totals", "certificates"]),
      ["relay", "tunnels", "total"],
      ["tokens"],
      ["id", "token"],
    ]);
  });

  it("names every path, parameter and code", () => {
    const read = (path: string): string =>
      readFileSync(new URL(`../../packages/${path}`, import.meta.url), "utf8");
    const own = [
      "requests",
      "access",
      "token-routes",
      "tokens-api",
      "token-bodies",
      "tunnels-api",
      "tunnel-list",
    ];
    const shared = ["rules", "body", "routes", "problem"];
    const all = [
      ...own.map((name) => read(`relay/src/admin/${name}.ts`)),
      ...shared.map((name) => read(`shared/src/page/${name}.ts`)),
    ].join("\n");
    const paths = [...all.matchAll(/route\("(\/api[^"]+)"/g)].map(([, path = ""]) => path);
    expect(paths.length).toBeGreaterThan(5);
    for (const path of paths)
      expect(api).toMatch(new RegExp(`^\\| \`(?:GET|POST|PATCH|DELETE) ${path}\``, "m"));
    const codes = [...all.matchAll(/(?:ApiProblem|ToldProblem)\(\s*(\d+),\s*"(\w+)"/g)];
    expect(codes.length).toBeGreaterThan(15);
    for (const [, status = "", code = ""] of codes) {
      expect(api, code).toMatch(new RegExp(`^\\| ${status} \\| .*\`${code}\``, "m"));
    }
    const [, names = ""] = /\[("q"[^\]]*)\]/.exec(all) ?? [];
    for (const [, name] of names.matchAll(/"(\w+)"/g)) expect(api).toContain(`\`${name}\``);
    const sorted = /const sortKeys[^{]*\{([^]*?)^\}/m.exec(all)?.[1] ?? "";
    const keys = [...sorted.matchAll(/^ {2}(\w+):/gm)].map(([, key]) => key);
    expect(keys.length).toBe(6);
    for (const key of keys) expect(api).toContain(`\`${key}\``);
  });
});
