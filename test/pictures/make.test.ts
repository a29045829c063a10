import { spawn } from "node:child_process";
import { delimiter } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { createRelay } from "mcp-tunnel";
import { expect, it } from "vitest";
import { modulesOf } from "../support/node-modules.js";
import { launchBrowser } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { createFolder } from "../support/certificates.js";
import { visit } from "./host.js";
import { save } from "./save.js";
import { screenPage } from "./screen.js";

// Makes the pictures of the README: the client at a terminal and its page, in a session of the official SDK
// with a server that others wrote. The host comes in with a key of the visitor's own, so that the terminal
// has none to show.

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const closing = closingAfterEach();
const command =
  "mcp-tunnel-client --stdio --subdomain demo -- npx -y @modelcontextprotocol/server-everything stdio";
const key = "for-this-picture-alone";

interface Terminal {
  /** All that was written, with its colors. */
  output(): string;
  /** Waits until a pattern is on the screen. */
  see(pattern: RegExp): Promise<RegExpExecArray>;
  close(): Promise<void>;
}

/** A shell at a pseudoterminal that shows its one command, and runs it. */
function startShell(cwd: string, env: NodeJS.ProcessEnv): Terminal {
  // `stty` sets the size: a terminal that `script` makes for a pipe has none.
  const line = `stty rows 40 cols 80; PS4='$ '; set -x; ${command}`;
  const child = spawn("script", ["--quiet", "--return", "--command", line, "/dev/null"], {
    cwd,
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, TERM: "xterm-256color", SHELL: "/bin/sh", ...env },
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  return {
    output: () => output,
    async see(pattern) {
      for (;;) {
        const match = pattern.exec(stripVTControlCharacters(output));
        if (match !== null) return match;
        await new Promise((resolve, reject) => {
          child.stdout.once("data", resolve);
          child.once("close", () => reject(new Error(`the command ended: ${output}`)));
        });
      }
    },
    async close() {
      child.kill();
      await ended;
    },
  };
}

it("makes the pictures of the README", { timeout: 180_000 }, async () => {
  const modules = modulesOf(path("test/stdio/node"));
  if (modules === undefined) throw new Error("the MCP server that is shown cannot be installed");
  const state = closing(createFolder());
  const relay = createRelay({ domain: "tunnel.example.com", host: "127.0.0.1", port: 0, startupHoldMs: 0 });
  closing({ close: () => relay.close(1_000) });
  const { port } = await relay.listen();
  const terminal = closing(
    startShell(modules, {
      PATH: [path("node_modules/.bin"), process.env["PATH"]].join(delimiter),
      MCP_TUNNEL_RELAY: `http://127.0.0.1:${port}`,
      MCP_TUNNEL_VISITOR_AUTH: "bearer",
      MCP_TUNNEL_VISITOR_KEY: `ada:${key}`,
      MCP_TUNNEL_STATE_DIR: state.path,
    }),
  );
  const [, pageUrl = "", secret = ""] = await terminal.see(/Inspector (http:\S+#([\w-]+))\s/);
  const host = closing(await visit(`http://demo.tunnel.example.com:${port}/mcp`, key));
  await terminal.see(/trigger-sampling-request +\d/);

  const browser = closing(await launchBrowser());
  const context = await browser.newContext({ deviceScaleFactor: 1.5, colorScheme: "dark" });
  const page = await context.newPage();
  await page.goto(pageUrl.replace("#", "?view=mcp#"));
  await page.getByRole("link", { name: /Example Host/ }).click();
  await page.getByRole("link", { name: /trigger-sampling-request/ }).click();
  await page.locator(".timeline").waitFor();
  await save(page, "inspector", { width: 1_000, height: 830 });

  // The secret is of a run that is over. Nobody shall think that one may be shown.
  const shown = terminal.output().replaceAll(secret, `${secret.slice(0, 4)}…`);
  expect(shown).not.toContain(key);
  await page.goto("about:blank");
  await page.setContent(screenPage(shown));
  const box = await page.locator("pre").boundingBox();
  if (box === null) throw new Error("the picture of the terminal is empty");
  await save(page, "terminal", { width: Math.ceil(box.width), height: Math.ceil(box.height) });
  await host.close();
});
