import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it } from "vitest";
import { createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { runClient } from "../../../test/support/commands.js";
import type { RunningCommand } from "../../../test/support/commands.js";
import { startUpstream } from "../../../test/support/upstream.js";
import { onWindows } from "../../../test/support/systems.js";
import { visit } from "../../client/test/relay-side.js";
import { TestRelay } from "../../client/test/test-relay.js";

const closing = closingAfterEach();
const server = fileURLToPath(new URL("../../../examples/basic/stdio-server.mjs", import.meta.url));
const stdio = ["--stdio", "--", process.execPath, server];

let relay: TestRelay;
let state: string;
beforeEach(async () => {
  relay = closing(await new TestRelay().listen());
  state = closing(createFolder()).path;
});

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): RunningCommand {
  const given = ["--relay", relay.url, "--subdomain", "demo", ...args];
  return closing(runClient(given, { MCP_TUNNEL_STATE_DIR: join(state, "state"), ...env }));
}

function keyFile(text: string): string {
  const file = join(state, "keys");
  writeFileSync(file, text);
  return file;
}

const listTools = { jsonrpc: "2.0", id: 1, method: "tools/list" };

/** A visitor's request, with further fields. */
async function post(path: string, message: object, headers: string[] = []) {
  const body = Buffer.from(JSON.stringify(message));
  const accepts = ["Content-Type", "application/json", "Accept", "application/json, text/event-stream"];
  const done = await visit(relay.session as never, {
    method: "POST",
    path,
    headers: [...accepts, ...headers],
    body,
  }).complete();
  return { status: done.head?.status, text: done.text };
}

const initialize = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } },
};

describe("MCP servers on stdio, by default", () => {
  it("are for visitors with a key or a login, which stay over restarts", async () => {
    const first = run(["--json", ...stdio]);
    const connected = await first.waitForJson({ event: "connected" });
    const { kinds, secretFiles } = connected["visitorAuth"] as {
      kinds: string[];
      secretFiles: { key: string; passcode: string };
    };
    expect(kinds).toEqual(["bearer", "oauth"]);
    expect(relay.registrations[0]?.gate?.kinds).toEqual(expect.arrayContaining(["bearer", "oauth"]));
    expect(await post("/mcp", initialize)).toMatchObject({ status: 401 });
    const [key, passcode] = [secretFiles.key, secretFiles.passcode].map((file) =>
      readFileSync(file, "utf8").trim(),
    );
    const proof = ["Authorization", `Bearer ${key}`];
    expect(await post("/mcp", initialize, proof)).toMatchObject({ status: 200 });
    await first.waitForJson({ event: "auth", type: "refused", count: 1 });
    if (!onWindows) {
      for (const file of Object.values(secretFiles)) expect(statSync(file).mode & 0o777).toBe(0o600);
    }
    await first.close();

    const second = run(stdio);
    await second.waitFor("the file", () => second.stdout.find((line) => line.includes(secretFiles.passcode)));
    expect(second.output).toContain('--header "Authorization: Bearer KEY"');
    expect(await post("/mcp", initialize, proof)).toMatchObject({ status: 200 });
    for (const { output } of [first, second]) {
      expect(output).not.toContain(key);
      expect(output).not.toContain(passcode);
    }
  });

  it("do not start where nothing can be kept, before the relay hears of it", async () => {
    const client = run(stdio, { MCP_TUNNEL_STATE_DIR: join(keyFile(""), "state") });
    expect(await client.exited).toEqual({ code: 2, signal: null });
    expect(client.stderr).toEqual([expect.stringMatching(/^error: .*keys/)]);
    expect(relay.registrations).toEqual([]);
  });
});

describe("a service on a port", () => {
  it("is for the keys of a file, and gets their names in place of the keys", async () => {
    const upstream = closing(await startUpstream());
    const key = "0123456789abcdef-of-a-file";
    const file = keyFile(`# for the build\nci:${key}\n`);
    const args = [String(upstream.port), "--visitor-auth", "bearer", "--visitor-key-file", file, "--json"];
    const client = run(args);
    const { visitorAuth } = await client.waitForJson({ event: "connected" });
    expect(visitorAuth).toEqual({ kinds: ["bearer"], secretFiles: {} });
    expect(await post("/echo", {})).toMatchObject({ status: 401 });
    const spoofed = ["X-Tunnel-User", "root", "X_Tunnel_User", "root"];
    expect(await post("/echo", {}, ["X-API-Key", key, ...spoofed])).toMatchObject({ status: 200 });
    expect(upstream.requests).toHaveLength(1);
    const fields = upstream.requests[0]?.rawHeaders ?? [];
    expect(fields.join("\n")).not.toContain(key);
    const users = fields.filter((_, i) => /^x.tunnel.user$/i.test(fields[i - 1] ?? ""));
    expect(users).toEqual(["ci"]);
    // Nothing of the key where others can read it.
    expect(client.output).not.toContain(key);
    expect(client.child.spawnargs.join(" ")).not.toContain(key);
  });

  it("is open by default, with one warning once an MCP server has told everybody its tools", async () => {
    const upstream = closing(await startUpstream());
    const client = run([String(upstream.port), "--json"]);
    await client.waitForJson({ event: "connected" });
    for (let i = 0; i < 2; i++) expect(await post("/echo", listTools)).toMatchObject({ status: 200 });
    const { message } = await client.waitForJson({ event: "warning", code: "open_mcp_server" });
    expect(message).toContain("--visitor-auth oauth,bearer");
    await client.waitForJson({ event: "request" }, 2);
    expect(client.json.filter(({ event }) => event === "warning")).toHaveLength(1);
  });

  it("is open without a warning for whoever has said so", async () => {
    const upstream = closing(await startUpstream());
    const client = run([String(upstream.port), "--visitor-auth", "none", "--json"]);
    await client.waitForJson({ event: "connected" });
    await post("/echo", listTools);
    await client.waitForJson({ event: "request" });
    await client.close();
    expect(client.json.filter(({ event }) => event === "warning")).toEqual([]);
  });

  it("is not served where the relay does not tell the addresses that decide", async () => {
    const client = run(["3000", "--allow-ip", "192.0.2.0/24"]);
    expect(await client.exited).toEqual({ code: 2, signal: null });
    expect(client.stderr.at(-1)).toMatch(/^error: .*address/);
  });

  const login = ["--visitor-auth", "oauth", "--oidc-issuer", "https://x.test", "--oidc-client-id", "x"];
  it.each<[string, string[], RegExp?]>([
    ["a short key", ["--visitor-auth", "bearer", "--visitor-key", "s3cret"]],
    ["a key in other characters", ["--visitor-auth", "bearer", "--visitor-key", "s3cret s3cret s3cret"]],
    ["a range that is none", ["--allow-ip", "192.0.2.0/33"]],
    [
      "an issuer that is none",
      ["--visitor-auth", "oauth", "--oidc-issuer", "x", "--oidc-client-id", "x", "--allow-email", "a@x.test"],
    ],
    ["an address that is none", [...login, "--allow-email", "foo"], /^error: --allow-email needs .*"foo"/],
  ])("is not served with %s", async (_, args, message = /^error: /) => {
    const client = run(["3000", ...args]);
    expect(await client.exited).toEqual({ code: 2, signal: null });
    expect(client.stderr).toEqual([expect.stringMatching(message)]);
    expect(client.output).not.toContain("s3cret");
    expect(relay.registrations).toEqual([]);
  });
});

it("a provider that does not answer is no mistake: status 1, so that a supervisor tries again", async () => {
  const login = ["--oidc-issuer", "http://127.0.0.1:2", "--oidc-client-id", "x", "--allow-email", "a@x.test"];
  const client = run(["3000", "--visitor-auth", "oauth", ...login]);
  expect(await client.exited).toEqual({ code: 1, signal: null });
  expect(client.stderr).toEqual([expect.stringMatching(/^error: the OpenID provider http:\/\/127.*ECONN/)]);
  expect(relay.registrations).toEqual([]);
});

it("a server elsewhere gets what its entry has for it, and the visitor's proof does not get there", async () => {
  const upstream = closing(await startUpstream());
  const file = join(state, "mcp.json");
  const url = `http://localhost:${upstream.port}/echo?token=t0p`;
  const headers = { Authorization: "Bearer of-the-entry" };
  writeFileSync(file, JSON.stringify({ mcpServers: { api: { url, headers } } }));
  chmodSync(file, 0o600);
  const key = "0123456789abcdef-of-a-file";
  const client = run([
    "--mcp-config",
    file,
    "--visitor-auth",
    "bearer",
    "--visitor-key-file",
    keyFile(key),
    "--json",
  ]);
  await client.waitForJson({ event: "connected" });
  expect(await post("/api/mcp?x=1", {}, ["Authorization", `Bearer ${key}`])).toMatchObject({ status: 200 });
  const rawHeaders = upstream.requests[0]?.rawHeaders ?? [];
  expect(upstream.requests[0]?.path).toBe("/echo?token=t0p&x=1");
  const sent = rawHeaders.filter((_, i) => rawHeaders[i - 1]?.toLowerCase() === "authorization");
  expect(sent).toEqual(["Bearer of-the-entry"]);
  expect(client.output).not.toMatch(/t0p|of-the-entry/);
});
