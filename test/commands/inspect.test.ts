import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runClient, startClientCommand, startRelayCommand } from "../support/commands.js";
import type { RelayCommand } from "../support/commands.js";
import { runAtTerminal } from "../support/terminal.js";
import type { TerminalCommand } from "../support/terminal.js";
import { startUpstream } from "../support/upstream.js";
import type { Upstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";
import type { Visitor } from "../support/visitor.js";

/** The inspector as the command offers it, and the lines that it prints of requests. */
const closing = closingAfterEach();

let relay: RelayCommand;
let upstream: Upstream;
let visitor: Visitor;
let args: string[];
beforeEach(async () => {
  relay = closing(await startRelayCommand());
  upstream = closing(await startUpstream());
  visitor = closing(createVisitor(relay.port));
  args = [String(upstream.port), "--relay", `http://127.0.0.1:${relay.port}`, "--subdomain", "app"];
});

/** A command at a terminal of 80 columns, which Ctrl-C ends. */
function atTerminal(words: readonly string[]): TerminalCommand {
  const terminal = runAtTerminal("client", words, 80);
  closing({
    async close() {
      terminal.type("\u0003");
      await terminal.exited;
    },
  });
  return terminal;
}

const json = { "content-type": "application/json" };

/** Sends a message of MCP to a service that answers with what it gets. */
function post(message: object): Promise<unknown> {
  return visitor.text("app", "/echo", { method: "POST", headers: json, body: JSON.stringify(message) });
}

describe("the page", () => {
  it("is there by default at a terminal, which shows its URL, and is gone with the command", async () => {
    const terminal = atTerminal(args);
    await terminal.see(`-> http://localhost:${upstream.port}`);
    const line = await terminal.seeMatch(/ {2}Inspector http:\/\/127\.0\.0\.1:\d+\/#\S+\r\n/);
    expect(line.trimEnd().length).toBeLessThanOrEqual(80);
    const { origin, hash } = new URL(line.trim().split(" ")[1] ?? "");
    expect(hash.length).toBeGreaterThan(40);
    expect((await fetch(origin)).status).toBe(200);
    terminal.type("\u0003");
    await terminal.exited;
    await expect(fetch(origin)).rejects.toThrow();
  });

  it("is not there with --no-inspect, nor where no terminal is", async () => {
    const terminal = atTerminal([...args, "--no-inspect"]);
    // Nothing stands between the service and the blank line that ends the banner.
    await terminal.seeMatch(/-> http:\/\/localhost:\d+\r\n\r\n/);
    const client = closing(runClient([...args.slice(0, -1), "other"]));
    await client.waitFor("the banner", () => client.stdout.find((line) => line.includes("-> ")));
    await client.close();
    expect(client.output).not.toContain("Inspector");
  });

  it("is told to programs", async () => {
    const client = closing(runClient([...args, "--json", "--inspect", "127.0.0.1:0"]));
    const { url } = await client.waitForJson({ event: "inspector" });
    expect((await fetch(String(url))).status).toBe(200);
    await client.waitForJson({ event: "connected" });
    expect(await client.close()).toEqual({ code: 0, signal: null });
  });

  it("has another port if its own is taken, unless that one is wanted", async () => {
    const wanted = [...args, "--json", "--inspect", "127.0.0.1:0"];
    const first = closing(runClient(wanted));
    const { host } = new URL(String((await first.waitForJson({ event: "inspector" }))["url"]));
    const second = closing(runClient([...args, "--json", "--inspect", host]));
    expect(await second.exited).toEqual({ code: 2, signal: null });
    expect(second.stderr).toEqual([expect.stringMatching(/^error: --inspect: /)]);
    // The port of another program does not keep a tunnel that has not asked for it.
    const other = ["--relay", `http://127.0.0.1:${relay.port}`, "--subdomain", "other"];
    const terminal = atTerminal([String(upstream.port), ...other]);
    await terminal.seeMatch(/Inspector http:\/\/127\.0\.0\.1:\d+\//);
  });
});

describe("a recording", () => {
  it("is written without a page, and whole whichever way the command ends", async () => {
    const folder = closing(createFolder());
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "the reader"] as const) {
      const file = join(folder.path, `${signal}.har`);
      const client = closing(
        await startClientCommand(upstream.port, relay.port, [...args.slice(3), "--record", file]),
      );
      expect(existsSync(file)).toBe(true);
      await visitor.text("app", "/status/200");
      await client.waitForJson({ event: "request", path: "/status/200" });
      if (signal === "the reader") {
        client.child.stdout?.destroy();
        // The next line finds that nobody reads.
        await visitor.text("app", "/status/204");
      } else client.child.kill(signal);
      expect(await client.exited, signal).toEqual({ code: 0, signal: null });
      expect(JSON.parse(await readFile(file, "utf8")), signal).toHaveProperty(
        "log.entries.0.request.method",
        "GET",
      );
    }
  });

  it("is named on the screen", async () => {
    const folder = closing(createFolder());
    const file = join(folder.path, "traffic.har");
    const client = closing(runClient([...args, "--record", file]));
    await client.waitFor("its line", () => client.stdout.find((line) => line === `  Recording ${file}`));
  });

  it("that cannot be written keeps the command from starting", async () => {
    const client = closing(runClient([...args, "--record", join("no-such-folder", "x.har")]));
    expect(await client.exited).toEqual({ code: 2, signal: null });
    expect(client.stderr).toEqual([expect.stringMatching(/no-such-folder.*: the folder does not exist$/)]);
  });
});

describe("the lines", () => {
  it("say at a terminal what MCP hosts send", async () => {
    const terminal = atTerminal([...args, "--no-inspect"]);
    await terminal.see("-> ");
    await post({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "add" } });
    await terminal.seeMatch(/^\d\d:\d\d:\d\d POST \/echo 200 tools\/call add {2}[\d.]+ ms\r\n/m);
    await post({ jsonrpc: "2.0", id: 1, error: { code: -32_000, message: "not \u001b[2J today" } });
    await terminal.seeMatch(/POST \/echo 200 answer {2}[\d.]+ ms error -32000: not \\u001b\[2J today\r\n/);
    await visitor.text("app", "/status/404?token=s3cret&page=2");
    await terminal.seeMatch(/GET {2}\/status\/404\?token=\[hidden\]&page=2 404 [\d.]+ ms\r\n/);
  });

  it("tell of a stream when it opens and when it ends", async () => {
    const terminal = atTerminal([...args, "--no-inspect"]);
    await terminal.see("-> ");
    const leave = new AbortController();
    const { body } = await visitor.visit("app", "/sse", { signal: leave.signal });
    body.on("error", () => {});
    await terminal.seeMatch(/GET {2}\/sse 200 stream open\r\n/);
    leave.abort();
    await terminal.seeMatch(/GET {2}\/sse 200 stream ended after [\d.]+ m?s, \d+ events?/);
  });

  it("are fields for programs", async () => {
    const client = closing(await startClientCommand(upstream.port, relay.port, args.slice(3)));
    await post([
      { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "add" } },
      { jsonrpc: "2.0", method: "notifications/cancelled" },
    ]);
    expect(await client.waitForJson({ event: "request" })).toMatchObject({
      id: 1,
      kind: "http",
      mcp: { method: "tools/call", name: "add", batch: 2 },
    });
    const leave = new AbortController();
    const { body } = await visitor.visit("app", "/sse?key=s3cret", { signal: leave.signal });
    body.on("error", () => {});
    expect(await client.waitForJson({ event: "opened" })).toEqual({
      event: "opened",
      method: "GET",
      path: "/sse?key=[hidden]",
      status: 200,
      id: 2,
      kind: "stream",
      startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
    leave.abort();
    expect(await client.waitForJson({ event: "request", id: 2 })).toMatchObject({
      kind: "stream",
      events: expect.any(Number),
      error: { code: "cancelled" },
    });
  });
});
