import { readFileSync } from "node:fs";
import { join } from "node:path";
import { request } from "undici";
import { expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand } from "../support/commands.js";
import { missingProgram } from "../support/requires.js";
import { readBlocks, standIns } from "./blocks.js";

const closing = closingAfterEach();
const text = readFileSync(new URL("../../docs/dashboard.md", import.meta.url), "utf8");

it.skipIf(missingProgram("openssl"))(
  "docs/dashboard.md leads to a page that opens with its secret",
  async () => {
    const folder = closing(createFolder());
    const [block] = readBlocks(text);
    const commands = (block?.text ?? "")
      .replace("127.0.0.1:9090", "127.0.0.1:0")
      .replace("tunnel.example.com", "localhost --host 127.0.0.1 --port 0 --log-format json")
      // The shell gives its place to the relay, which hears the end of the test then.
      .replace(/^mcp-tunnel /m, "exec mcp-tunnel ");
    const relay = closing(
      new RunningCommand("bash", ["-euc", commands], { cwd: folder.path, env: standIns(folder.path) }),
    );
    const { port } = await relay.waitForJson({ msg: "admin API listening" });
    const origin = `http://127.0.0.1:${port}`;
    const ask = async (path: string, headers: Record<string, string> = {}): Promise<number> => {
      const { statusCode, body } = await request(`${origin}${path}`, { headers });
      await body.dump();
      return statusCode;
    };
    const authorization = `Bearer ${readFileSync(join(folder.path, "admin-secret"), "utf8").trim()}`;
    expect(await ask("/")).toBe(200);
    expect(await ask("/api/overview")).toBe(401);
    expect(await ask("/api/overview", { authorization })).toBe(200);
    // As the document says of another name of this machine.
    expect(await ask("/", { host: `localhost:${port}` })).toBe(421);
  },
);

it("docs/dashboard.md names the keys that the page knows", () => {
  const page = readFileSync(new URL("../../packages/dashboard/page/src/app.tsx", import.meta.url), "utf8");
  const known = [...page.matchAll(/^ {2}\["([^"]+)", "/gm)].flatMap(([, keys = ""]) => keys.split("  "));
  const section = text.slice(text.indexOf("## Keys"), text.indexOf("## Who can see it"));
  expect(known.length).toBeGreaterThan(10);
  const written: Readonly<Record<string, string>> = { "↓": "arrows", "↑": "arrows", Escape: "`Esc`" };
  for (const key of known) expect(section, key).toContain(written[key] ?? `\`${key}\``);
});
