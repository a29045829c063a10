import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { Agent } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { everything, installed, missingNpmServers } from "../stdio/servers.js";
import { closingAfterEach } from "../support/cleanup.js";
import { freePort } from "../support/free-port.js";
import { cleanEnvironment } from "../support/commands.js";
import { modulesOf } from "../support/node-modules.js";
import { Person } from "./person.js";
import { sdkDocument, type Published, World } from "./world.js";

const run = promisify(execFile);
const modules = modulesOf(fileURLToPath(new URL("node", import.meta.url)));
const preload = new URL("../support/resolve-localhost.mjs", import.meta.url).href;

describe.skipIf(modules === undefined || missingNpmServers())(
  "programs from npm",
  { timeout: 60_000 },
  () => {
    const closing = closingAfterEach();
    let world: World;
    let published: Published;
    let visitor: Agent;

    beforeAll(async () => {
      world = await World.start("hosts.localhost");
      const { command, args } = everything();
      published = await world.publish("demo", ["--stdio", "--", command, ...args]);
      visitor = world.visitor();
    });
    afterAll(async () => {
      await visitor?.destroy();
      await published?.close();
      await world?.close();
    });

    describe("mcp-remote", () => {
      /** Runs it for a host that knows stdio alone. `folder`: where it keeps what it was given. */
      async function start(folder: string, args: readonly string[] = []): Promise<Running> {
        const transport = new StdioClientTransport({
          command: process.execPath,
          args: [
            "--import",
            preload,
            join(modules as string, "node_modules/mcp-remote/dist/proxy.js"),
            published.url,
            ...args,
          ],
          env: cleanEnvironment({
            ...world.env,
            MCP_REMOTE_CONFIG_DIR: folder,
            // The person of this test is the browser.
            BROWSER: "true",
          }) as Record<string, string>,
          stderr: "pipe",
        });
        const said = new Said(transport.stderr as Readable);
        const client = new Client({ name: "mcp-tunnel-tests", version: "1.0.0" });
        closing({ close: () => client.close() });
        const connected = client.connect(transport);
        // It is looked at below.
        connected.catch(() => {});
        return { client, connected, said };
      }

      function scratch(): string {
        const folder = mkdtempSync(join(tmpdir(), "mcp-remote-"));
        closing({ close: () => rmSync(folder, { recursive: true, force: true }) });
        return folder;
      }

      const echo = async ({ client }: Running): Promise<unknown> =>
        (await client.callTool({ name: "echo", arguments: { message: "hello" } })).content;
      const hello = [{ type: "text", text: "Echo: hello" }];

      it.each([
        { by: "registration", args: () => [] },
        {
          by: "a document",
          args: (port: number) => [
            String(port),
            "--client-metadata-url",
            sdkDocument.client_id,
            "--host",
            "127.0.0.1",
            "--callback-path",
            "/callback",
          ],
        },
      ])("comes in by $by, stays over a restart, and is refused once it is revoked", async (how) => {
        const folder = scratch();
        const args = how.args(await freePort());
        const first = await start(folder, args);
        const { callback, grant } = await published.consent(
          new Person(visitor),
          await first.said.authorizationUrl(),
        );
        expect((await fetch(callback)).status).toBe(200);
        await first.connected;
        expect(await echo(first)).toEqual(hello);
        await first.client.close();

        const second = await start(folder, args);
        await second.connected;
        expect(await echo(second)).toEqual(hello);
        expect(second.said.text).not.toContain("Please authorize this client");

        await published.revoke(grant);
        const refused = echo(second);
        refused.catch(() => {});
        // It asks for a login again, and waits.
        await second.said.authorizationUrl();
        await second.client.close();
        await expect(refused).rejects.toThrow();
      });

      it("comes in with a key, and opens no browser", async () => {
        const running = await start(scratch(), ["--header", `Authorization:Bearer ${published.key}`]);
        await running.connected;
        expect(await echo(running)).toEqual(hello);
        expect(running.said.text).not.toContain("Please authorize this client");
      });
    });

    describe("MCP Inspector's command line, which takes headers alone", () => {
      async function inspect(...args: readonly string[]): Promise<unknown> {
        const script = installed("@modelcontextprotocol/inspector-cli/build/index.js");
        // It looks for its own package.json beside its working directory.
        const { stdout } = await run(
          process.execPath,
          ["--import", preload, script, published.url, ...args],
          {
            cwd: dirname(script),
            env: cleanEnvironment(world.env),
          },
        );
        return JSON.parse(stdout);
      }
      const call = ["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hello"];

      it.each([
        { field: "Authorization", value: (key: string) => `Bearer ${key}` },
        { field: "X-API-Key", value: (key: string) => key },
      ])("calls a tool with a key in $field", async ({ field, value }) => {
        const header = `${field}: ${value(published.key)}`;
        expect(await inspect(...call, "--header", header)).toEqual({
          content: [{ type: "text", text: "Echo: hello" }],
        });
      });

      it("is refused without a key, and with a wrong one", async () => {
        await expect(inspect(...call)).rejects.toThrow(/401|Unauthorized/i);
        await expect(
          inspect(...call, "--header", "Authorization: Bearer wrong-key-0123456789"),
        ).rejects.toThrow(/401|Unauthorized/i);
      });
    });
  },
);

interface Running {
  readonly client: Client;
  readonly connected: Promise<void>;
  readonly said: Said;
}

/** What a program has said on stderr. */
class Said {
  text = "";
  #ended = false;
  readonly #waiting = new Set<() => void>();

  constructor(stream: Readable) {
    stream.on("data", (chunk: Buffer) => {
      this.text += chunk.toString();
      this.#wake();
    });
    stream.once("end", () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** The URL that it wants opened. @throws Error with all that it has said, if it ends before. */
  async authorizationUrl(): Promise<string> {
    for (;;) {
      const url = /by visiting:\s+(https:\/\/\S+)\s/.exec(this.text)?.[1];
      if (url !== undefined) return url;
      if (this.#ended) throw new Error(`it ended; it said:\n${this.text}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
