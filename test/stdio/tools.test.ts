import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cleanEnvironment } from "../support/commands.js";
import { missingProgram } from "../support/requires.js";
import { type Bridge, startOne } from "./bridge.js";
import { everything, installed, missingNpmServers } from "./servers.js";

const run = promisify(execFile);

describe.skipIf(missingNpmServers())(
  "server-everything behind the bridge, to tools on the command line",
  () => {
    let bridge: Bridge;
    beforeAll(async () => {
      bridge = await startOne(everything());
    });
    afterAll(() => bridge?.close());

    describe("MCP Inspector", () => {
      /** What the inspector prints about a server. */
      async function inspect(target: readonly string[], question: string): Promise<string> {
        const script = installed("@modelcontextprotocol/inspector-cli/build/index.js");
        const preload = new URL("../support/resolve-localhost.mjs", import.meta.url).href;
        const args = ["--import", preload, script, ...target, "--method", ...question.split(" ")];
        // It looks for its own package.json beside its working directory.
        const { stdout } = await run(process.execPath, args, {
          cwd: dirname(script),
          env: cleanEnvironment(),
        });
        return stdout;
      }

      it.each([
        "tools/list",
        "tools/call --tool-name echo --tool-arg message=hello",
        "tools/call --tool-name get-structured-content --tool-arg location=Chicago",
        "tools/call --tool-name get-tiny-image",
        "resources/list",
        "resources/templates/list",
        "resources/read --uri demo://resource/static/document/features.md",
        "prompts/list",
        "prompts/get --prompt-name args-prompt --prompt-args city=Ulm",
        "logging/setLevel --log-level debug",
      ])("prints the same for %s", { timeout: 60_000 }, async (question) => {
        const { command, args } = everything();
        const direct = await inspect([command, ...args], question);
        expect(JSON.parse(direct)).toBeTypeOf("object");
        expect(await inspect([bridge.urlOf("everything")], question)).toBe(direct);
      });
    });

    describe.skipIf(missingProgram("curl"))("curl", () => {
      interface Answer {
        readonly status: number;
        readonly headers: Record<string, string>;
        readonly body: string;
      }

      async function curl(...args: readonly string[]): Promise<Answer> {
        const { stdout } = await run("curl", ["--silent", "--include", ...args, bridge.urlOf("everything")]);
        const end = stdout.indexOf("\r\n\r\n");
        const [statusLine = "", ...lines] = stdout.slice(0, end).split("\r\n");
        const headers = lines.map((line): [string, string] => {
          const colon = line.indexOf(":");
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
        });
        return {
          status: Number(statusLine.split(" ")[1]),
          headers: Object.fromEntries(headers),
          body: stdout.slice(end + 4),
        };
      }

      const post = (message: object, ...args: readonly string[]): Promise<Answer> =>
        curl(
          "--header",
          "content-type: application/json",
          ...args,
          "--data",
          JSON.stringify({ jsonrpc: "2.0", ...message }),
        );

      it("gets plain JSON, in a session that it ends", { timeout: 60_000 }, async () => {
        const opened = await post({
          id: 1,
          method: "initialize",
          params: {
            protocolVersion: "2025-11-25",
            capabilities: {},
            clientInfo: { name: "curl", version: "1" },
          },
        });
        expect(opened.status).toBe(200);
        expect(opened.headers["content-type"]).toMatch(/^application\/json/);
        expect(JSON.parse(opened.body)).toMatchObject({
          id: 1,
          result: { serverInfo: { name: "mcp-servers/everything" } },
        });

        const session = ["--header", `mcp-session-id: ${opened.headers["mcp-session-id"]}`];
        expect((await post({ method: "notifications/initialized" }, ...session)).status).toBe(202);
        const call = { method: "tools/call", params: { name: "echo", arguments: { message: "hello" } } };
        const called = await post({ id: "two", ...call }, ...session);
        expect(called.headers["content-type"]).toMatch(/^application\/json/);
        expect(JSON.parse(called.body)).toEqual({
          jsonrpc: "2.0",
          id: "two",
          result: { content: [{ type: "text", text: "Echo: hello" }] },
        });

        const ended = await curl("--request", "DELETE", ...session);
        expect([200, 204]).toContain(ended.status);
        expect((await post({ id: 3, ...call }, ...session)).status).toBe(404);
      });
    });
  },
);
