import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type JsonLine, RunningCommand } from "../support/commands.js";

import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";

const packages = fileURLToPath(new URL("../../packages/", import.meta.url));
const closing = closingAfterEach();

const manifestOf = (name: string): { version: string } =>
  JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8")) as { version: string };

/** A command in one CommonJS file, in a folder from which Node finds no package. */
async function bundle(entry: string): Promise<string> {
  const outfile = join(closing(createFolder()).path, "command.cjs");
  await build({
    entryPoints: [join(packages, entry)],
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    // The CommonJS form of jsonc-parser looks for its own files in a way that esbuild does not follow.
    mainFields: ["module", "main"],
    target: "node20.19",
    logLevel: "error",
  });
  return outfile;
}

const run = (file: string, ...args: string[]): RunningCommand =>
  closing(new RunningCommand(process.execPath, [file, ...args]));

/** Whether there is a process with this id. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("a version in the sources", () => {
  it.each(["client", "cli", "relay", "stdio"])("is that of the manifest: %s", async (name) => {
    const { version } = (await import(join(packages, name, "dist", "version.js"))) as { version: string };
    expect(version).toBe(manifestOf(name).version);
  });
});

async function startRelay(file: string): Promise<JsonLine> {
  const args = ["--domain", "localhost", "--host", "127.0.0.1", "--port", "0", "--log-format", "json"];
  return run(file, ...args).waitForJson({ msg: "listening" });
}

describe("commands that were bundled into one CommonJS file each", () => {
  it("carry a request through a tunnel", async () => {
    const files = await Promise.all([bundle("relay/dist/cli/main.js"), bundle("cli/dist/main.js")]);
    const upstream = closing(await startUpstream());
    const { port } = await startRelay(files[0]);
    const client = run(
      files[1],
      ...[String(upstream.port), "--relay", `http://127.0.0.1:${String(port)}`],
      ...["--subdomain", "one", "--json"],
    );
    await client.waitForJson({ event: "connected" });
    const visitor = closing(createVisitor(Number(port)));
    expect(await visitor.text("one", "/bytes/5")).toMatchObject({ status: 200 });
    expect(upstream.requests.map(({ path }) => path)).toEqual(["/bytes/5"]);
  });

  it("serve a server on stdio, with whatever ends its processes", async () => {
    const files = await Promise.all([bundle("relay/dist/cli/main.js"), bundle("cli/dist/main.js")]);
    const { port } = await startRelay(files[0]);
    const answer = `process.stdin.once("data", (data) => {
      console.log(JSON.stringify({ jsonrpc: "2.0", id: JSON.parse(data).id, result: { pid: process.pid } }));
    })`;
    const client = run(
      files[1],
      ...["--stdio", "--visitor-auth", "none", "--relay", `http://127.0.0.1:${String(port)}`],
      ...["--subdomain", "one", "--json", "--", process.execPath, "-e", answer],
    );
    await client.waitForJson({ event: "connected" });
    const visitor = closing(createVisitor(Number(port)));
    const reply = await visitor.text("one", "/mcp", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} }),
    });
    expect(reply).toMatchObject({ status: 200 });
    const { result } = JSON.parse(reply.text) as { result: { pid: number } };
    await client.close();
    await expect.poll(() => isAlive(result.pid)).toBe(false);
  });

  it("let visitors in by a key, with OAuth beside it", async () => {
    const files = await Promise.all([bundle("relay/dist/cli/main.js"), bundle("cli/dist/main.js")]);
    const upstream = closing(await startUpstream());
    const { port } = await startRelay(files[0]);
    const state = closing(createFolder());
    const key = "0123456789abcdef";
    const client = closing(
      new RunningCommand(
        process.execPath,
        [
          ...[files[1], String(upstream.port), "--relay", `http://127.0.0.1:${String(port)}`, "--json"],
          ...["--subdomain", "one", "--visitor-auth", "oauth,bearer"],
          ...["--visitor-key-file", state.write("keys", key)],
        ],
        { env: { MCP_TUNNEL_STATE_DIR: join(state.path, "state") } },
      ),
    );
    await client.waitForJson({ event: "connected" });
    const visitor = closing(createVisitor(Number(port)));
    expect(await visitor.text("one", "/bytes/5")).toMatchObject({ status: 401 });
    const headers = { "x-api-key": key };
    expect(await visitor.text("one", "/bytes/5", { headers })).toMatchObject({ status: 200 });
    const metadata = await visitor.text("one", "/.well-known/oauth-authorization-server");
    expect(metadata).toMatchObject({ status: 200, text: expect.stringContaining("authorization_endpoint") });
  });

  it("say their version", async () => {
    const client = run(await bundle("cli/dist/main.js"), "--version");
    await client.exited;
    expect(client.stdout).toEqual([manifestOf("cli").version]);
  });
});
