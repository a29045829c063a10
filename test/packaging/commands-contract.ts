import { join } from "node:path";
import { expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import type { JsonLine, RunningCommand, RunOptions } from "../support/commands.js";
import { isAlive } from "../support/processes.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";

/** Starts a command in the form in which it is tested. It is closed after the test. */
export type StartCommand = (args: readonly string[], options?: RunOptions) => RunningCommand;

/**
 * What both commands have to do in each form in which they are handed out: what breaks there is what looks
 * for files, loads code late, or starts processes. `version`: which they have to say.
 */
export function commandsContract(
  { relay, client }: { readonly relay: StartCommand; readonly client: StartCommand },
  version: string,
): void {
  const closing = closingAfterEach();

  function startRelay(...more: string[]): Promise<JsonLine> {
    const args = ["--domain", "localhost", "--host", "127.0.0.1", "--port", "0", "--log-format", "json"];
    return relay([...args, ...more]).waitForJson({ msg: "listening" });
  }

  it("carry a request through a tunnel", async () => {
    const upstream = closing(await startUpstream());
    const { port } = await startRelay();
    const running = client([
      ...[String(upstream.port), "--relay", `http://127.0.0.1:${String(port)}`],
      ...["--subdomain", "one", "--json"],
    ]);
    await running.waitForJson({ event: "connected" });
    const visitor = closing(createVisitor(Number(port)));
    expect(await visitor.text("one", "/bytes/5")).toMatchObject({ status: 200 });
    expect(upstream.requests.map(({ path }) => path)).toEqual(["/bytes/5"]);
  });

  it("serve with several processes", async () => {
    const upstream = closing(await startUpstream());
    const { port } = await startRelay("--workers", "2");
    const running = client([
      ...[String(upstream.port), "--relay", `http://127.0.0.1:${String(port)}`],
      ...["--subdomain", "one", "--json"],
    ]);
    await running.waitForJson({ event: "connected" });
    for (let i = 0; i < 2; i += 1) {
      const visitor = closing(createVisitor(Number(port)));
      expect(await visitor.text("one", "/bytes/5")).toMatchObject({ status: 200 });
    }
  });

  it("serve a server on stdio, with whatever ends its processes", async () => {
    const { port } = await startRelay();
    // A server that is no program of Node's, because there may be none.
    const answer =
      'read -r line; echo "{\\"jsonrpc\\":\\"2.0\\",\\"id\\":1,\\"result\\":{\\"pid\\":$$}}"; read -r line';
    const running = client([
      ...["--stdio", "--visitor-auth", "none", "--relay", `http://127.0.0.1:${String(port)}`],
      ...["--subdomain", "one", "--json", "--", "/bin/sh", "-c", answer],
    ]);
    await running.waitForJson({ event: "connected" });
    const visitor = closing(createVisitor(Number(port)));
    const reply = await visitor.text("one", "/mcp", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} }),
    });
    expect(reply).toMatchObject({ status: 200 });
    const { result } = JSON.parse(reply.text) as { result: { pid: number } };
    await running.close();
    await expect.poll(() => isAlive(result.pid)).toBe(false);
  });

  it("let visitors in by a key, with OAuth beside it", async () => {
    const upstream = closing(await startUpstream());
    const { port } = await startRelay();
    const state = closing(createFolder());
    const key = "0123456789abcdef";
    const running = client(
      [
        ...[String(upstream.port), "--relay", `http://127.0.0.1:${String(port)}`, "--json"],
        ...["--subdomain", "one", "--visitor-auth", "oauth,bearer"],
        ...["--visitor-key-file", state.write("keys", key)],
      ],
      { env: { MCP_TUNNEL_STATE_DIR: join(state.path, "state") } },
    );
    await running.waitForJson({ event: "connected" });
    const visitor = closing(createVisitor(Number(port)));
    expect(await visitor.text("one", "/bytes/5")).toMatchObject({ status: 401 });
    const headers = { "x-api-key": key };
    expect(await visitor.text("one", "/bytes/5", { headers })).toMatchObject({ status: 200 });
    const metadata = await visitor.text("one", "/.well-known/oauth-authorization-server");
    expect(metadata).toMatchObject({ status: 200, text: expect.stringContaining("authorization_endpoint") });
  });

  it("show the inspector's page", async () => {
    const { port } = await startRelay();
    const running = client([
      ...["3000", "--relay", `http://127.0.0.1:${String(port)}`, "--subdomain", "one", "--json"],
      ...["--inspect", "127.0.0.1:0"],
    ]);
    const { url } = await running.waitForJson({ event: "inspector" });
    const answer = await fetch(new URL("/", String(url)));
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain("<script");
  });

  it("hand out the client from within, and write a log for people", async () => {
    const args = ["--domain", "localhost", "--port", "0", "--trusted-proxy", "127.0.0.1"];
    const running = relay([...args, "--log-format", "pretty"]);
    const printed = (text: string): string | undefined => running.stdout.find((line) => line.includes(text));
    await running.waitFor("line", () => printed("handed out: npx -y https://localhost/client-"));
    expect(printed("listening on")).toBeDefined();
  });

  it("tell their version and their options", async () => {
    for (const command of [relay, client]) {
      const [versions, help] = [command(["--version"]), command(["--help"])];
      // oxlint-disable-next-line no-await-in-loop -- two processes at a time
      const ends = await Promise.all([versions.exited, help.exited]);
      expect(ends.map(({ code }) => code)).toEqual([0, 0]);
      expect(versions.stdout).toEqual([version]);
      expect(help.stdout.join("\n")).toContain("--help");
      expect([...versions.stderr, ...help.stderr]).toEqual([]);
    }
  });
}
