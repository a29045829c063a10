import { EventEmitter } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it } from "vitest";
import { createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { runClient } from "../../../test/support/commands.js";
import type { RunningCommand } from "../../../test/support/commands.js";
import { startUpstream } from "../../../test/support/upstream.js";
import { endedBy, onWindows } from "../../../test/support/systems.js";
import type { TunnelClient } from "../../client/src/client.js";
import { visit } from "../../client/test/relay-side.js";
import type { Visit } from "../../client/test/relay-side.js";
import { TestRelay } from "../../client/test/test-relay.js";
import { eventText } from "../../stdio/src/event-text.js";
import type { StdioEvent } from "../../stdio/src/events.js";
import type { McpPlace } from "../src/render/mcp-addresses.js";
import { HumanRenderer } from "../src/render/human.js";

const closing = closingAfterEach();
const server = fileURLToPath(new URL("../../../examples/basic/stdio-server.mjs", import.meta.url));

/** What a person sees at the start, and of events. */
function screen(
  places: readonly McpPlace[],
  url: string,
  events: readonly StdioEvent[] = [],
  eventsBefore: readonly StdioEvent[] = [],
): string[] {
  const client = new EventEmitter();
  const lines: string[] = [];
  const add = (line: string): number => lines.push(line);
  const renderer = new HumanRenderer({ out: add, err: add, colors: false }, "mcp.json");
  renderer.follow(client as unknown as TunnelClient, places);
  const tell = (event: StdioEvent): void => renderer.server(places[0]?.name, event, eventText(event));
  eventsBefore.forEach(tell);
  client.emit("connected", { url, subdomain: "demo", resumed: false });
  events.forEach(tell);
  return lines;
}

describe("the screen", () => {
  // The lines for Windows are in systems.test.ts.
  it.skipIf(onWindows)("has each server's URL, and a line to paste", () => {
    const places = [
      { name: "files", path: "/files/mcp" },
      { name: "@a/play wright (x)", path: "/%40a%2Fplay%20wright%20%28x%29/mcp" },
      { name: "漢", path: "/%E6%BC%A2/mcp" },
    ];
    const lines = screen(places, "https://demo.relay.test");
    expect(lines).toEqual([
      "",
      "  https://demo.relay.test/files/mcp",
      "  https://demo.relay.test/%40a%2Fplay%20wright%20%28x%29/mcp",
      "  https://demo.relay.test/%E6%BC%A2/mcp",
      "  -> mcp.json",
      "",
      "claude mcp add --transport http files https://demo.relay.test/files/mcp",
      "claude mcp add --transport http a-play-wright-x- \\",
      "https://demo.relay.test/%40a%2Fplay%20wright%20%28x%29/mcp",
      "claude mcp add --transport http server https://demo.relay.test/%E6%BC%A2/mcp",
      "",
      "Everybody who knows or guesses a URL can use its server with your rights.",
      "",
    ]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  it("speaks of the only URL as that", () => {
    const lines = screen([{ name: undefined, path: "/mcp" }], "https://demo.relay.test");
    expect(lines).toContain("Everybody who knows or guesses this URL can use the server with your rights.");
  });

  it.skipIf(onWindows)("has a URL of the relay's that a shell takes for nothing else", () => {
    const lines = screen([{ name: undefined, path: "/mcp" }], "https://x$(touch${IFS}it);'.test/base/");
    expect(lines.slice(4)).toEqual([
      "claude mcp add --transport http demo \\",
      String.raw`'https://x$(touch${"${IFS}"}it);'\''.test/base/mcp'`,
      "",
      expect.stringContaining("with your rights"),
      "",
    ]);
  });

  it("has what processes do and say, of each server and process", () => {
    const events: StdioEvent[] = [
      { type: "started", process: 1, purpose: "session" },
      { type: "stderr", process: 1, line: "\u001b[2Jlistening" },
      { type: "stray", process: 1, line: "hello" },
      { type: "failed", process: 2, code: "exited", message: "it ended: \u0007no key", stderr: ["no key"] },
      { type: "notice", message: "a notification belongs to no request" },
      { type: "ended", process: 1, message: "'npx it's' has ended with status 0, because it is unused" },
    ];
    expect(
      screen([{ name: "files", path: "/files/mcp" }], "https://demo.relay.test", events).slice(-6),
    ).toEqual([
      "files[1] started for a session",
      "files[1] \\u001b[2Jlistening",
      "files[1] wrote to stdout what is no message: hello",
      "files[2] it ended: \\u0007no key",
      "files a notification belongs to no request",
      "files[1] has ended with status 0, because it is unused",
    ]);
  });
});

describe("a server that is asked which revisions it speaks", () => {
  const place = { name: undefined, path: "/mcp" };
  const url = "https://demo.relay.test";

  it("is no news if all goes well", () => {
    const events: StdioEvent[] = [
      { type: "started", process: 1, purpose: "probe" },
      { type: "ended", process: 1, message: "has ended" },
    ];
    expect(screen([place], url, [], events)).toEqual(screen([place], url));
  });

  it("is told of below the URL if it does not start", () => {
    const failed = { type: "failed", code: "not_found", message: "was not found" } as const;
    const events: StdioEvent[] = [
      { type: "started", process: 1, purpose: "probe" },
      { ...failed, process: 1 },
    ];
    const lines = screen([place], url, [], events);
    expect(lines.at(0)).toBe("server[1] was not found");
    expect(lines.at(-1)).toBe("The server does not start: see above.");
    const again: StdioEvent[] = [...events, { type: "started", process: 2, purpose: "session" }];
    expect(screen([place], url, [], again).at(-1)).toBe("");
  });
});

describe("a client of MCP servers", () => {
  let relay: TestRelay;
  beforeEach(async () => {
    relay = closing(await new TestRelay().listen());
  });

  function run(args: readonly string[]): RunningCommand {
    return closing(
      runClient(["--visitor-auth", "none", "--relay", relay.url, "--subdomain", "demo", ...args]),
    );
  }

  const initialize = (): Visit =>
    visit(relay.session as never, {
      method: "POST",
      path: "/mcp",
      headers: ["Content-Type", "application/json", "Accept", "application/json, text/event-stream"],
      body: Buffer.from(
        JSON.stringify({
          jsonrpc: "2.0",
          id: 1,
          method: "initialize",
          params: {
            protocolVersion: "2025-11-25",
            capabilities: {},
            clientInfo: { name: "test", version: "1" },
          },
        }),
      ),
    });

  it("tells programs where they are, and what they do", async () => {
    const client = run(["--stdio", "--json", "--", process.execPath, server]);
    expect(await client.waitForJson({ event: "connected" })).toMatchObject({
      url: "https://demo.relay.test",
      servers: [{ name: null, url: "https://demo.relay.test/mcp" }],
    });
    // Before any visitor has come.
    await client.waitForJson({ event: "server", server: null, type: "started", purpose: "probe" });
    const done = await initialize().complete();
    expect([done.head?.status, done.text]).toEqual([200, expect.stringContaining("mcp-tunnel-example")]);
    await client.waitForJson({ event: "server", server: null, type: "started", purpose: "session" });
    for (const path of ["/", "/mcp/x", "/.well-known/oauth-protected-resource/mcp"]) {
      const other = await visit(relay.session as never, { path }).complete();
      expect([other.head?.status, other.text]).toEqual([404, "Not found: the MCP server is at /mcp\n"]);
    }
  });

  it("shows a command that does not last at once, and serves on", async () => {
    const client = run(["--stdio", "--json", "--", process.execPath, "-e", "process.exit(9)"]);
    await client.waitForJson({ event: "connected" });
    const { message } = await client.waitForJson({ event: "server", type: "failed" });
    expect(message).toContain("process.exit(9)");
    const done = await initialize().complete();
    expect(done.head?.status).toBe(503);
    expect(done.text).not.toContain("process.exit");
    client.child.kill("SIGINT");
    expect(await client.exited).toEqual(endedBy("SIGINT", 0));
  });

  it("shows the command with its words apart", async () => {
    const client = run(["--stdio", "--", "node", "/my files"]);
    const shown = await client.waitFor("command", () => client.stdout.find((line) => line.includes("->")));
    expect(shown).toBe('  -> node "/my files"');
  });

  it("forwards servers that are reached over HTTP, by the path of their own", async () => {
    const upstream = closing(await startUpstream());
    const file = join(closing(createFolder()).path, "mcp.json");
    const url = `http://localhost:${upstream.port}/echo`;
    writeFileSync(file, JSON.stringify({ servers: { "my api": { type: "http", url } } }));
    const client = run(["--mcp-config", file, "--json"]);
    expect(await client.waitForJson({ event: "connected" })).toMatchObject({
      servers: [{ name: "my api", url: "https://demo.relay.test/my%20api/mcp" }],
    });
    const path = "/my%20api/mcp?x=1";
    const body = Buffer.from("hello");
    const done = await visit(relay.session as never, { method: "POST", path, body }).complete();
    expect([done.head?.status, done.text]).toEqual([200, "hello"]);
    expect(upstream.requests[0]?.path).toBe("/echo?x=1");
    expect(upstream.requests[0]?.rawHeaders).toContain(`localhost:${upstream.port}`);
    const other = await visit(relay.session as never, { path: "/echo" }).complete();
    expect([other.head?.status, other.text]).toEqual([404, "Not found: the MCP server is at /<name>/mcp\n"]);
  });
});
