import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { isOpenToOthers, parseAdminHost } from "../../packages/relay/src/admin/admin-options.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runRelay, startClientCommand } from "../support/commands.js";
import { startFaultProxy } from "../support/fault-proxy.js";
import { startOriginalClient } from "../support/original-client.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor, rawExchange } from "../support/visitor.js";
import { type AdminRelay, ask, startAdminRelay } from "./support.js";

const closing = closingAfterEach();
const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-admin-"));
afterAll(() => rmSync(folder, { recursive: true }));

const startRelay = async (args: readonly string[] = [], env?: NodeJS.ProcessEnv): Promise<AdminRelay> =>
  closing(await startAdminRelay(args, env));

const connect = async (relay: AdminRelay, subdomain: string) =>
  closing(await startOriginalClient({ version: "0.2", relayPort: relay.port, token: "t", subdomain }));

const adminPort = (relay: AdminRelay): number => Number(new URL(relay.admin).port);

/** The answer of `/api/tunnels`. */
async function status(relay: AdminRelay) {
  const { text } = await ask(`${relay.admin}/api/tunnels`);
  return JSON.parse(text) as { relay: object; tunnels: { name: string; since: number; rttMs?: number }[] };
}

async function run(relay: AdminRelay, ...args: string[]) {
  const command = runRelay([...args, "--admin", relay.admin]);
  const { code } = await command.exited;
  return { code, output: command.output, stdout: command.stdout.join("\n") };
}

describe("health", () => {
  it("is answered without a secret, and readiness ends when the relay drains, before it is gone", async () => {
    const relay = await startRelay(["--admin-secret", "s3cret"]);
    expect(await ask(`${relay.admin}/healthz`)).toMatchObject({ status: 200, json: { status: "ok" } });
    expect(await ask(`${relay.admin}/readyz`)).toMatchObject({ status: 200, json: { status: "ready" } });

    // An open request holds the relay back, so that the test can watch it while it drains.
    const upstream = closing(await startUpstream());
    closing(await startClientCommand(upstream.port, relay.port, ["--subdomain", "app"]));
    const visitor = closing(createVisitor(relay.port));
    const stream = await visitor.visit("app", "/sse");
    relay.child.kill("SIGTERM");
    await relay.waitForJson({ msg: "shutting down" });
    expect(await ask(`${relay.admin}/readyz`)).toMatchObject({ status: 503, json: { status: "draining" } });
    expect((await ask(`${relay.admin}/healthz`)).status).toBe(200);
    const health = await run(relay, "health");
    expect(health).toMatchObject({ code: 1 });
    expect(health.output).toContain("the relay is not ready: it is shutting down (draining)");
    stream.body.on("error", () => {});
    stream.body.destroy();
    expect(await relay.exited).toEqual({ code: 0, signal: null });
  });
});

describe("the admin API", () => {
  it("shows the tunnels and what went through them", async () => {
    const relay = await startRelay();
    const before = Date.now();
    const upstream = closing(await startUpstream());
    closing(await startClientCommand(upstream.port, relay.port, ["--subdomain", "new"]));
    await connect(relay, "old");
    const visitor = closing(createVisitor(relay.port));
    await visitor.text("new", "/echo", { method: "POST", body: "12345" });
    await visitor.text("new", "/echo", { method: "POST", body: "678" });
    const stream = await visitor.visit("new", "/sse");
    stream.body.on("error", () => {});
    // The bytes of an open stream count already: "data: 12345678\n\n".
    upstream.emit("12345678");
    await once(stream.body, "data");

    const json = await status(relay);
    expect(json.relay).toMatchObject({ version: expect.stringMatching(/^\d/), draining: false });
    const [first, second] = json.tunnels;
    expect(first).toMatchObject({
      name: "new",
      url: `http://new.localhost:${relay.port}`,
      state: "online",
      address: "127.0.0.1",
      client: { name: "mcp-tunnel-client", version: expect.stringMatching(/^\d/) },
      wire: "v1",
      requests: 2,
      requestBytes: 8,
      responseBytes: 8 + 16,
      streams: 1,
      queuedBytes: expect.any(Number),
    });
    expect(first?.since).toBeGreaterThanOrEqual(before);
    expect(first?.rttMs).toBeGreaterThan(0);
    expect(second).toMatchObject({ name: "old", requests: 0, streams: 0 });
    expect((await ask(`${relay.admin}/api/tunnels/new`)).json).toMatchObject({ name: "new" });
    stream.body.destroy();
  });

  it("closes a tunnel for good, and knows none that is not there", async () => {
    const relay = await startRelay();
    const client = closing(await startClientCommand(9, relay.port, ["--subdomain", "app"]));
    const deleted = await ask(`${relay.admin}/api/tunnels/app`, { method: "DELETE" });
    expect(deleted).toMatchObject({ status: 200, json: { disconnected: "app" } });
    expect((await client.exited).code).not.toBe(0);
    expect(client.output).toContain("disconnected by the operator");
    const again = await ask(`${relay.admin}/api/tunnels/app`, { method: "DELETE" });
    expect(again).toMatchObject({ status: 404, json: { error: "no tunnel is called 'app'" } });
    expect((await status(relay)).tunnels).toEqual([]);
  });

  it("closes one that is away: its client is told when it returns", async () => {
    const relay = await startRelay();
    const proxy = closing(await startFaultProxy(relay.port));
    const client = closing(await startClientCommand(9, proxy.port, ["--subdomain", "app"]));
    proxy.refusing = true;
    proxy.cut();
    await relay.waitForJson({ msg: "tunnel away" });
    expect((await ask(`${relay.admin}/api/tunnels/app`)).json).toMatchObject({ state: "away" });
    expect((await ask(`${relay.admin}/api/tunnels/app`, { method: "DELETE" })).status).toBe(200);
    await relay.waitForJson({ msg: "tunnel closed", reason: "disconnected by the operator" });
    proxy.refusing = false;
    expect((await client.exited).code).not.toBe(0);
    expect(client.output).toContain("disconnected by the operator");
    expect((await status(relay)).tunnels).toEqual([]);
    // An operator who starts the client anew means it.
    closing(await startClientCommand(9, relay.port, ["--subdomain", "app"]));
  });

  it("knows its paths and methods, and no others", async () => {
    const relay = await startRelay();
    expect((await ask(`${relay.admin}/nothing`)).status).toBe(404);
    expect((await ask(`${relay.admin}/metrics/`)).status).toBe(404);
    for (const path of ["/healthz", "/readyz", "/metrics", "/api/tunnels"]) {
      expect((await ask(relay.admin + path, { method: "POST" })).status).toBe(405);
    }
  });

  it("is not on the visitors' listener, on any host", async () => {
    const relay = await startRelay();
    await connect(relay, "app");
    for (const path of ["/healthz", "/metrics", "/api/tunnels"]) {
      for (const host of ["localhost", "127.0.0.1"]) {
        const answer = await rawExchange(
          relay.port,
          `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
        );
        expect(answer).toMatch(/^HTTP\/1.1 (404|421) /);
      }
      // The same paths below a tunnel's name belong to the tunnel.
      const visitor = closing(createVisitor(relay.port));
      expect((await visitor.text("app", path)).text).toBe(`GET ${path}`);
    }
  });
});

describe("who may ask", () => {
  const guarded = ["/metrics", "/api/tunnels", "/api/tunnels/app", "/nothing"];

  it("with a secret: who knows it", async () => {
    const file = join(folder, "secret");
    writeFileSync(file, "s3cret\n");
    const relay = await startRelay(["--admin-secret-file", file]);
    for (const path of guarded) {
      for (const authorization of [
        undefined,
        "Bearer ",
        "Bearer s3cre",
        "Bearer s3cret2",
        "Basic czNjcmV0",
      ]) {
        const headers = authorization === undefined ? {} : { authorization };
        expect((await ask(relay.admin + path, { headers })).status).toBe(401);
      }
    }
    const headers = { authorization: "Bearer s3cret", host: "relay.internal:9090" };
    expect((await ask(`${relay.admin}/metrics`, { headers })).status).toBe(200);
    expect((await run(relay, "status")).output).toContain(
      "refused: it needs the relay's secret: add --admin-secret-file <FILE>",
    );
    expect(await run(relay, "status", "--admin-secret-file", file)).toMatchObject({ code: 0 });
    expect(relay.output).not.toContain("s3cret");
  });

  // A page at http://evil.test whose name was made to point to 127.0.0.1 may, for the browser, read the
  // answers to its requests. But it cannot lie about its name.
  it("without one: this machine, but no web page that has rebound its name", async () => {
    const relay = await startRelay();
    const port = adminPort(relay);
    const status = async (host: string, more = ""): Promise<string> => {
      const request = `GET /api/tunnels HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\n\r\n`;
      return (await rawExchange(port, request)).slice(9, 12);
    };
    for (const host of [`127.0.0.1:${port}`, "localhost", "LOCALHOST:1", "[::1]:9090", "127.0.0.2"]) {
      expect([host, await status(host)]).toEqual([host, "200"]);
    }
    for (const host of [
      "evil.test",
      `evil.test:${port}`,
      "127.0.0.1.evil.test",
      "localhost.evil.test",
      "",
      "10.0.0.1",
    ]) {
      expect([host, await status(host)]).toEqual([host, "403"]);
    }
    expect(await status("127.0.0.1", "Origin: http://evil.test\r\n")).toBe("403");
    const answer = await ask(`${relay.admin}/api/tunnels/x`, {
      method: "DELETE",
      headers: { origin: "http://evil.test" },
    });
    expect(answer.status).toBe(403);
  });

  it.each(["0.0.0.0", "::", "192.0.2.1", "admin.example.com", "localhost.example.com", "::ffff:10.0.0.1"])(
    "not everybody: the address %s needs a secret",
    (host) => {
      expect(isOpenToOthers({ host })).toBe(true);
      expect(isOpenToOthers({ host, secret: "s3cret" })).toBe(false);
    },
  );

  it.each([
    ["admin.example.com", { name: "admin.example.com", port: undefined }],
    ["Admin.Example.com:9090", { name: "admin.example.com", port: 9090 }],
    ["[2001:DB8:0:0::1]:443", { name: "[2001:db8::1]", port: 443 }],
    ["10.0.0.11", { name: "10.0.0.11", port: undefined }],
  ])("browsers by the name %s", (text, host) => {
    expect(parseAdminHost(text)).toEqual(host);
  });

  it.each([
    "",
    "http://admin.example.com",
    "a b",
    "*.example.com",
    "admin:0",
    "admin:65536",
    "admin:",
    "1:2:3",
  ])("nobody by the name '%s'", (text) => {
    expect(() => parseAdminHost(text)).toThrow(/is not one by which a browser reaches the admin listener/);
  });

  it("is said before anything listens", async () => {
    const everywhere = ["--admin-listen", "0.0.0.0:0"];
    const relay = closing(runRelay(["--domain", "localhost", "--port", "0", ...everywhere]));
    expect((await relay.exited).code).toBe(2);
    expect(relay.output).toContain("--admin-listen 0.0.0.0 can be reached from outside this machine");
    expect(relay.stdout).toEqual([]);
  });
});

describe("the commands", () => {
  it("status shows a table, JSON, and goes on with --watch", async () => {
    const relay = await startRelay();
    expect((await run(relay, "status")).stdout).toMatch(/^mcp-tunnel \S+, up \S+( \S+)?: 0 tunnels$/);
    await connect(relay, "app");
    const table = (await run(relay, "status")).stdout;
    expect(table).toMatch(
      /: 1 tunnel\n\nNAME +SINCE +CLIENT +VERSION +GATE +RTT +REQUESTS +IN +OUT +OPEN +STATE\n/,
    );
    expect(table).toMatch(/^app +\d+s +127\.0\.0\.1 +- +- +\S+( ms)? +0 +0 B +0 B +0 +online$/m);
    expect(JSON.parse((await run(relay, "status", "--json")).stdout).tunnels).toMatchObject([
      { name: "app", gate: null },
    ]);

    const watch = closing(
      runRelay(["status", "--watch", "--interval", "0.1", "--json", "--admin", relay.admin]),
    );
    await watch.waitFor("app", () => watch.json.find((line) => JSON.stringify(line).includes('"app"')));
    await connect(relay, "second");
    await watch.waitFor("second", () => watch.json.find((line) => JSON.stringify(line).includes('"second"')));
    watch.child.kill("SIGINT");
    await watch.exited;
  });

  it("disconnect closes a tunnel; health says that all is well", async () => {
    const relay = await startRelay();
    const app = await connect(relay, "app");
    expect(await run(relay, "disconnect", "APP")).toMatchObject({ code: 0, output: "disconnected app" });
    expect(await app.closed).toEqual({ code: 4001, reason: "disconnected by the operator" });
    const again = await run(relay, "disconnect", "app");
    expect(again).toMatchObject({ code: 1 });
    expect(again.output).toBe(`error: the admin API at ${relay.admin} answered: no tunnel is called 'app'`);
    expect(await run(relay, "health")).toMatchObject({ code: 0, output: "ready" });
  });

  it("take the address from the relay's own variable, and say when nobody is there", async () => {
    const relay = await startRelay();
    const address = `127.0.0.1:${adminPort(relay)}`;
    const health = closing(runRelay(["health"], { MCP_TUNNEL_ADMIN_LISTEN: address }));
    expect((await health.exited).code).toBe(0);
    relay.child.kill("SIGTERM");
    await once(relay.child, "exit");
    const gone = closing(runRelay(["status"], { MCP_TUNNEL_ADMIN_LISTEN: address }));
    expect((await gone.exited).code).toBe(1);
    expect(gone.stderr).toEqual([
      `error: cannot reach a relay's admin API at http://${address}: connect ECONNREFUSED ${address}; is it started with --admin-listen?`,
    ]);
  });
});
