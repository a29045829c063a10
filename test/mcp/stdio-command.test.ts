import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { commands, runClient, RunningCommand, startRelayCommand } from "../support/commands.js";
import type { RelayCommand } from "../support/commands.js";
import { createVisitor } from "../support/visitor.js";
import { connectV1, connectV2 } from "./clients.js";

/** MCP servers on stdio behind the built commands, as people start them. */
const closing = closingAfterEach();
const server = [
  ...["--import", "data:text/javascript,console.error(`ANSWER=${process.env.ANSWER} pid ${process.pid}`)"],
  fileURLToPath(new URL("stdio-server.mjs", import.meta.url)),
];

/** The processes of servers that have said their ids on stderr, which the client tells as events. */
function processIds(command: RunningCommand): number[] {
  const lines = [...command.stderr, ...command.json.map(({ line }) => String(line))];
  return lines.flatMap((line) => /\bpid (\d+)$/.exec(line)?.slice(1).map(Number) ?? []);
}

/** A process that has ended stays in the table until its parent takes note. */
function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

async function expectNoProcess(ids: readonly number[], least: number): Promise<void> {
  expect(ids.length).toBeGreaterThanOrEqual(least);
  await expect.poll(() => ids.filter(isAlive)).toEqual([]);
}

describe("mcp-tunnel-client", () => {
  let relay: RelayCommand;
  beforeAll(async () => {
    relay = await startRelayCommand();
    return () => relay.close();
  });

  function start(args: readonly string[]): RunningCommand {
    const to = ["--relay", `http://127.0.0.1:${relay.port}`, "--visitor-auth", "none", "--json"];
    return closing(runClient([...to, ...args]));
  }

  it("--stdio serves a server to clients of all revisions, and ends its processes with itself", async () => {
    const client = start(["--subdomain", "one", "--stdio", "--", process.execPath, ...server]);
    const { servers } = await client.waitForJson({ event: "connected" });
    const url = `http://one.localhost:${relay.port}/mcp`;
    expect(servers).toEqual([{ name: null, url }]);

    for (const mcp of [await connectV2(url, "auto"), await connectV2(url, "legacy"), await connectV1(url)]) {
      closing(mcp);
      expect(await mcp.listTools()).toContain("count");
      const progress: number[] = [];
      const onProgress = (value: number): number => progress.push(value);
      expect(await mcp.callTool("count", { to: 3, label: "three" }, { onProgress })).toBe("three");
      expect(progress).toEqual([1, 2, 3]);
    }
    await client.waitForJson({ event: "server", type: "started", purpose: "session" }, 2);
    const ids = processIds(client);
    client.child.kill("SIGTERM");
    // The hosts have GET streams open. Nobody waits for anything on those.
    expect(await client.waitForJson({ event: "closing" })).toMatchObject({ openRequests: 0 });
    expect(await client.exited).toEqual({ code: 0, signal: null });
    await expectNoProcess(ids, 3);
  });

  it("--mcp-config serves each server of a file by itself, also beside one that is broken", async () => {
    const file = join(closing(createFolder()).path, ".mcp.json");
    const broken = { command: process.execPath, args: ["-e", "console.error('no key'); process.exit(3)"] };
    const good = { command: process.execPath, args: server, env: { ANSWER: "${ANSWER:-42}" } };
    writeFileSync(file, JSON.stringify({ mcpServers: { broken, "good one": good } }));
    const client = start(["--subdomain", "two", "--mcp-config", file]);
    await client.waitForJson({ event: "connected" });
    // Nothing is started before it is asked for.
    expect(client.json.filter(({ event }) => event === "server")).toEqual([]);

    const visitor = closing(createVisitor(relay.port));
    const post = {
      method: "POST" as const,
      headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 7,
        method: "initialize",
        params: {
          protocolVersion: "2025-06-18",
          capabilities: {},
          clientInfo: { name: "x", version: "1" },
        },
      }),
    };
    const failed = await visitor.visit("two", "/broken/mcp", post);
    expect([failed.statusCode, failed.headers["retry-after"]]).toEqual([503, expect.stringMatching(/^\d+$/)]);
    const { id, error } = (await failed.body.json()) as { id: unknown; error: { message: string } };
    expect(id).toBe(7);
    expect(error.message).not.toContain("no key");
    const told = await client.waitForJson({ event: "server", server: "broken", type: "failed" });
    expect(told["stderr"]).toEqual(["no key"]);

    const mcp = closing(await connectV2(`http://two.localhost:${relay.port}/good%20one/mcp`, "auto"));
    expect(await mcp.callTool("count", { to: 0, label: "none" })).toBe("none");
    const said = client.json.filter(({ type }) => type === "stderr").map(({ line }) => line);
    expect(said).toContainEqual(expect.stringMatching(/^ANSWER=42 /));
    for (const path of ["/", "/good%20one", "/other/mcp", "/.well-known/oauth-protected-resource"]) {
      expect(await visitor.text("two", path)).toEqual({
        status: 404,
        text: "Not found: the MCP server is at /<name>/mcp\n",
      });
    }
    const ids = processIds(client);
    await mcp.close();
    await client.close();
    await expectNoProcess(ids, 1);
  });
});

describe("mcp-tunnel-stdio", () => {
  function start(args: readonly string[]): RunningCommand {
    return closing(new RunningCommand(process.execPath, [commands.stdio, ...args]));
  }

  it("serves a server on a port of this machine, and ends its processes with itself", async () => {
    const command = start(["--port", "0", "--", process.execPath, ...server]);
    const url = await command.waitFor("URL", () => command.stdout[0]);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/mcp$/);
    for (const mcp of [await connectV2(url, "auto"), await connectV1(url)]) {
      closing(mcp);
      expect(await mcp.callTool("count", { to: 0, label: "none" })).toBe("none");
    }
    const ids = processIds(command);
    command.child.kill("SIGINT");
    expect(await command.exited).toEqual({ code: 0, signal: null });
    await expectNoProcess(ids, 2);
  });

  /**
   * The attack: a web page whose name leads to this machine (DNS rebinding) asks the server, with the rights
   * of the person who looks at the page.
   */
  it("answers no web page", async () => {
    const command = start(["--port", "0", "--", "no-such-command"]);
    const url = new URL(await command.waitFor("URL", () => command.stdout[0]));
    const statusOf = async (path: string, headers: Record<string, string>): Promise<number | undefined> => {
      const sent = request({ host: url.hostname, port: url.port, path, method: "POST", headers }).end("{}");
      const [response] = (await once(sent, "response")) as [{ statusCode?: number; resume(): void }];
      response.resume();
      return response.statusCode;
    };
    const json = { "content-type": "application/json" };
    expect(await statusOf("/mcp", { ...json, host: `evil.test:${url.port}` })).toBe(403);
    expect(await statusOf("/mcp", { ...json, origin: "https://evil.test" })).toBe(403);
    expect(await statusOf("/mcp", { ...json, origin: "http://localhost:6274" })).toBe(400);
    expect(await statusOf("/other", json)).toBe(404);
  });

  it("warns of an address that others reach", async () => {
    const warning = "Everybody who reaches this port can use the server with your rights.";
    // Others do not reach this one. It is written so that the command cannot know.
    const command = start(["--port", "0", "--host", "127.1", "--", "no-such-command"]);
    await command.waitFor("warning", () => command.stderr.find((line) => line === warning));
    const own = start(["--port", "0", "--", "no-such-command"]);
    await own.waitFor("failure", () => own.stderr.find((line) => line.includes("no-such-command")));
    expect(own.stderr).not.toContain(warning);
  });

  it("says what is wrong, and that a port is taken", async () => {
    const first = start(["--port", "0", "--", "x"]);
    const { port } = new URL(await first.waitFor("URL", () => first.stdout[0]));
    const mistakes: [string[], number, RegExp][] = [
      [["npx", "-y", "x"], 2, /^error: .* goes after --: mcp-tunnel-stdio --port 8000 -- npx/],
      [["--port", "x", "--", "x"], 2, /^error: option '--port <port>' argument 'x' is invalid/],
      [["--port", port, "--", "x"], 1, /^error: cannot listen on 127\.0\.0\.1, port \d+: .*EADDRINUSE/],
    ];
    for (const [args, code, message] of mistakes) {
      const command = start(args);
      expect(await command.exited).toEqual({ code, signal: null });
      expect(command.stderr.join("\n")).toMatch(message);
    }
  });
});
