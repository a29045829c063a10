import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { type Program, programsIn, startNode, withRelay } from "../embedding/programs.js";
import { launchBrowser } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type RelayCommand, startRelayCommand } from "../support/commands.js";
import { missingProgram } from "../support/requires.js";
import { createVisitor } from "../support/visitor.js";
import { copyOfNode, missingNode } from "./matrix/software/node.js";

/** The program for Next in docs/embedding.md, as it is written, with an application of Next. */

const root = fileURLToPath(new URL("../..", import.meta.url));

describe.skipIf(missingNode() || missingProgram("chromium"))(
  "Next with the server of docs/embedding.md",
  () => {
    const closing = closingAfterEach();

    /** The application with the page's `server.mjs`. */
    function createApplication(relayPort: number): string {
      const { path, close } = copyOfNode("next");
      closing({ close });
      const [code = ""] = programsIn(readFileSync(join(root, "docs/embedding.md"), "utf8"), "Next");
      writeFileSync(join(path, "server.mjs"), withRelay(code, `http://127.0.0.1:${relayPort}`));
      mkdirSync(join(path, "node_modules"));
      symlinkSync(join(root, "packages/client"), join(path, "node_modules/mcp-tunnel-client"));
      return path;
    }

    const variables = (mode: string): NodeJS.ProcessEnv => ({
      NEXT_TELEMETRY_DISABLED: "1",
      NODE_ENV: mode,
      TUNNEL_TOKEN: "a token",
    });

    async function start(folder: string, mode: string): Promise<Program> {
      return closing(await startNode(["server.mjs"], { cwd: folder, env: variables(mode) }, "", 60_000));
    }

    const startRelay = async (): Promise<RelayCommand> =>
      closing(await startRelayCommand(["--domain", "tunnel.test"]));

    it("shows in development what has changed, without loading the page again", {
      timeout: 120_000,
    }, async () => {
      const relay = await startRelay();
      const folder = createApplication(relay.port);
      const server = await start(folder, "development");
      const browser = closing(await launchBrowser());
      const tab = await browser.newPage();
      // The development server compiles a page when it is first asked for it.
      tab.setDefaultTimeout(60_000);
      const sockets: string[] = [];
      tab.on("websocket", (socket) => sockets.push(new URL(socket.url()).host));
      let loads = 0;
      tab.on("load", () => (loads += 1));
      const open = tab.waitForEvent("websocket");
      await tab.goto(server.url);
      await (await open).waitForEvent("framereceived");
      const file = join(folder, "app/page.js");
      writeFileSync(file, readFileSync(file, "utf8").replace(">greet<", ">say hello<"));
      await tab.getByRole("button", { name: "say hello" }).waitFor();
      expect(loads).toBe(1);
      expect(new Set(sockets)).toEqual(new Set([new URL(server.url).host]));
      await tab.getByRole("textbox").fill("ada");
      await tab.getByRole("button", { name: "say hello" }).click();
      await tab.getByText("hello ada").waitFor();
      expect(tab.url()).toBe(new URL("/welcome", server.url).href);
      expect(await server.close()).toEqual({ code: 0, signal: null });
      const visitor = closing(createVisitor(relay.port, "tunnel.test"));
      const { headers, body } = await visitor.visit(server.tunnel, "/");
      expect(headers["x-tunnel-error"]).toBe("tunnel_not_found");
      await body.dump();
    });

    it("serves what was built", { timeout: 240_000 }, async () => {
      const relay = await startRelay();
      const folder = createApplication(relay.port);
      const next = join(folder, "../node_modules/next/dist/bin/next");
      const env = { ...process.env, ...variables("production") };
      await promisify(execFile)(process.execPath, [next, "build"], { cwd: folder, env });
      const server = await start(folder, "production");
      const browser = closing(await launchBrowser());
      const tab = await browser.newPage();
      await tab.goto(server.url);
      // A server action: Next compares the Origin with the name that it was asked for.
      await tab.getByRole("textbox").fill("ada");
      await tab.getByRole("button").click();
      await tab.getByText("hello ada").waitFor();
      expect(await server.close()).toEqual({ code: 0, signal: null });
    });
  },
);
