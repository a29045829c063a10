import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { readFences } from "./blocks.js";
import { lines, mistakeIn, ownCommand } from "./own-commands.js";
import { read, root, shellBlocks, userPages } from "./pages.js";
import { blocksOf, notRun, ranElsewhere, transcriptBlocks } from "./plan.js";

/** That each command of the pages is run by some test, or is known to run nowhere. */

/** The commands of ours in the blocks, and in the lines of the text that quote a whole one. */
const quoted = userPages.flatMap((page) =>
  [...read(page).matchAll(/(?<!`)`((?:mcp-tunnel|mcp-tunnel-client|mcp-tunnel-stdio)\s[^`]+)`/g)].map(
    ([, code = ""]) => ({ page, code: code.replaceAll(/\s+/g, " ") }),
  ),
);

// The pages name the file once, and leave it out where it does not matter.
beforeAll(() => void vi.stubEnv("MCP_TUNNEL_TOKEN_FILE", "tokens.yaml"));
afterAll(() => void vi.unstubAllEnvs());

describe("the shell blocks of the pages", () => {
  it("are run by the tests that are said to run them", () => {
    for (const [page, test] of Object.entries(ranElsewhere)) {
      expect(read(test), test).toContain(page);
      expect(shellBlocks.some((block) => block.page === page)).toBe(true);
    }
    expect(transcriptBlocks.length).toBeGreaterThan(25);
  });

  it.each(notRun)("has in $page what is not run: $has", ({ page, has, why }) => {
    const found = blocksOf({ page, has, why });
    if (typeof has === "string") expect(found).toHaveLength(1);
    else expect(found).not.toEqual([]);
    const [named] = /test\/[\w./-]+/.exec(why) ?? [];
    if (named !== undefined) expect(existsSync(join(root, named)), named).toBe(true);
  });

  it("are marked as such where they have a command of ours", () => {
    const others = userPages.flatMap((page) =>
      readFences(read(page)).flatMap(({ line, info, text }) =>
        ["sh", "text"].includes(info[0] ?? "")
          ? []
          : lines(text).map((one) => ({ where: `${page}:${line}`, one })),
      ),
    );
    // So are the lines of blocks that are only indented.
    const inFences = new Set(
      userPages.flatMap((page) => readFences(read(page)).flatMap(({ text }) => text.split("\n"))),
    );
    for (const page of userPages) {
      for (const [line] of read(page).matchAll(/^ {4,}\S.*$/gm))
        if (!inFences.has(line)) others.push({ where: page, one: line.trim() });
    }
    // With `$` before it, a command is shown with what it says, and with what somebody types.
    const found = others.filter(({ one }) => !one.startsWith("$ ") && ownCommand(one) !== undefined);
    expect(found).toEqual([]);
  });

  it.each(shellBlocks.map(({ where, text }) => ({ where, text })))(
    "has options that the command takes: $where",
    async ({ text }) => {
      for (const line of lines(text)) {
        const command = ownCommand(line);
        if (command !== undefined) expect(await mistakeIn(command), line).toBeUndefined();
      }
    },
  );
});

it.each([
  "sudo -u mcp-tunnel mcp-tunnel --domian tunnel.example.com",
  "docker compose exec relay mcp-tunnel tokens list",
  "TOKEN=x mcp-tunnel-client 3000 --relay https://tunnel.example.com --tokn a-long-secret",
  "npx -y https://tunnel.example.com/client-VERSION-HASH.tgz 3000 --port 80",
  "mcp-tunnel-client auth shew myapp",
  "mcp-tunnel-stdio --prot 8000 -- node server.js",
])("a mistake is seen: %s", async (line) => {
  const command = ownCommand(line);
  if (command === undefined) throw new Error("no command of ours");
  expect(await mistakeIn(command)).toMatch(/unknown|too many/);
});

describe("the commands in the text of the pages", () => {
  it("are there", () => {
    expect(quoted.length).toBeGreaterThan(50);
  });

  it.each(quoted)("are such as the command takes: $code ($page)", async ({ code }) => {
    const command = ownCommand(code.replaceAll(/ ?\.\.\.| ?\[[a-z-]+\]/g, ""));
    if (command === undefined) throw new Error("no command of ours");
    expect(await mistakeIn(command, true)).toBeUndefined();
  });
});

describe("the commands in the files of the examples", () => {
  const texts = readdirSync(join(root, "examples"), { recursive: true, encoding: "utf8" })
    .filter((file) => !file.includes("node_modules") && !/\.(md|mjs|json)$/.test(file))
    .filter((file) => statSync(join(root, "examples", file)).isFile())
    .flatMap((file) => lines(uncommented(read(`examples/${file}`))).map((line) => ({ file, line })))
    .filter(({ line }) => ownCommand(line) !== undefined);

  it("are there", () => {
    const folders = new Set(texts.map(({ file }) => file.split(/[/\\]/)[0]));
    expect(folders).toEqual(new Set(["cluster", "compose", "proxy", "systemd", "systemd-user"]));
  });

  it.each(texts)("are such as the command takes: $file: $line", async ({ line }) => {
    const command = ownCommand(line);
    if (command === undefined) throw new Error("no command of ours");
    expect(await mistakeIn(command, true)).toBeUndefined();
  });
});

/** The commands stand in comments, and behind the key of a unit for systemd. */
function uncommented(text: string): string {
  return text.replaceAll(/^# *(?:The relay: )?/gm, "").replaceAll(/^ExecStart=\S*\//gm, "");
}
