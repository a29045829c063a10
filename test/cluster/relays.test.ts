import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { noRedis, RedisServer } from "../../packages/cluster/test/redis-server.js";
import { createToken, editToken, revokeToken } from "../../packages/relay/src/auth/token-file-edit.js";
import { RawVisitor, V1Client } from "../../packages/relay/test/support.js";
import { ask, Scrape } from "../admin/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { freePort } from "../support/free-port.js";
import { type RelayCommand, runRelay, startRelayCommand } from "../support/commands.js";

// Relays of one cluster as an operator starts them: commands, and a Redis of the machine.

const closing = closingAfterEach();
const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-relays-"));
afterAll(() => rmSync(folder, { recursive: true }));
const secretFile = join(folder, "secret");
writeFileSync(secretFile, "a secret of the cluster, long enough\n");

interface Relay extends RelayCommand {
  readonly admin: string;
}

async function startRelay(redis: RedisServer, ...args: string[]): Promise<Relay> {
  const relay = closing(
    await startRelayCommand([
      ...["--cluster", redis.url, "--cluster-secret-file", secretFile, "--peer-listen", "127.0.0.1:0"],
      ...["--admin-listen", "127.0.0.1:0", ...args],
    ]),
  );
  const { port } = await relay.waitForJson({ msg: "admin API listening" });
  return Object.assign(relay, { admin: `http://127.0.0.1:${port}` });
}

/** Waits until a relay has a link to the other one. */
async function linked({ admin }: Relay): Promise<void> {
  await expect
    .poll(async () => (await Scrape.at(admin)).value("mcp_tunnel_cluster_peers"), { timeout: 10_000 })
    .toBe(1);
}

/** Two relays that have links to each other. */
async function startPair(...args: string[]) {
  const redis = closing(await RedisServer.start());
  const [a, b] = await Promise.all([startRelay(redis, ...args), startRelay(redis, ...args)]);
  await Promise.all([linked(a), linked(b)]);
  return { redis, a, b };
}

/** A request to `app`, and the answer of its client. */
async function visit(port: number, client: V1Client, name = "app"): Promise<string> {
  const visitor = closing(new RawVisitor(port));
  visitor.request(`GET / HTTP/1.1\nHost: ${name}.localhost`);
  const { stream } = await client.accept();
  stream.sendHead({ status: 200, headers: ["Content-Length", "4"] });
  stream.write(Buffer.from("done"));
  stream.end();
  return await visitor.until((text) => text.endsWith("done"));
}

describe.skipIf(noRedis)("two relays of one cluster", () => {
  it("serve each other's tunnels, and a client that comes back through the other", async () => {
    const { a, b } = await startPair();
    const client = closing(await V1Client.connect(a.port, "app"));
    expect(await visit(b.port, client)).toMatch(/^HTTP\/1.1 200 /);
    client.cut();
    await client.resume(b.port);
    expect(await visit(a.port, client)).toMatch(/^HTTP\/1.1 200 /);
    expect(await visit(b.port, client)).toMatch(/^HTTP\/1.1 200 /);
    const metrics = await Scrape.at(b.admin);
    expect(metrics.value("mcp_tunnel_cluster_splices", { direction: "out" })).toBe(1);
  });

  it("are shown and used as one by their operator", async () => {
    const { a, b } = await startPair();
    const client = closing(await V1Client.connect(a.port, "app"));
    const command = runRelay(["status", "--admin", b.admin]);
    await command.exited;
    expect(command.output).toMatch(/^NAME +RELAY +SINCE/m);
    const deleted = await ask(`${b.admin}/api/tunnels/app`, { method: "DELETE" });
    expect(deleted.json).toMatchObject({ disconnected: "app", silent: [] });
    expect((await client.closed).code).toBe(4001);
  });

  it("stop one after the other, and the last one is not left alone with its names", async () => {
    const { a, b } = await startPair();
    const client = closing(await V1Client.connect(a.port, "app"));
    a.child.kill("SIGTERM");
    expect(await a.exited).toEqual({ code: 0, signal: null });
    const again = closing(await V1Client.connect(b.port, "app", client.resumeFields));
    expect(await visit(b.port, again)).toMatch(/^HTTP\/1.1 200 /);
    b.child.kill("SIGTERM");
    expect(await b.exited).toEqual({ code: 0, signal: null });
  });

  it("take a name from a token together", async () => {
    const [atA, atB] = [join(folder, "names-a.yaml"), join(folder, "names-b.yaml")];
    const { token, id } = await createToken(atA, { subdomains: ["app", "kept"] });
    copyFileSync(atA, atB);
    const redis = closing(await RedisServer.start());
    const relays = await Promise.all([atA, atB].map((file) => startRelay(redis, "--token-file", file)));
    await Promise.all(relays.map(linked));
    const [a, b] = relays as [Relay, Relay];
    const [lost, kept] = [
      closing(await V1Client.connect(a.port, "app", { token })),
      closing(await V1Client.connect(a.port, "kept", { token })),
    ];
    // The relay that has the tunnels reads another file, by which the token still has both names.
    await editToken(atB, id, { removeSubdomains: ["app"] });
    expect((await lost.closed).code).toBe(4001);
    expect(await visit(b.port, kept, "kept")).toMatch(/^HTTP\/1.1 200 /);
  });

  it("take a token back together", async () => {
    const [atA, atB] = [join(folder, "tokens-a.yaml"), join(folder, "tokens-b.yaml")];
    const { token, id } = await createToken(atA, { subdomains: ["app"] });
    copyFileSync(atA, atB);
    const redis = closing(await RedisServer.start());
    const relays = await Promise.all([atA, atB].map((file) => startRelay(redis, "--token-file", file)));
    await Promise.all(relays.map(linked));
    const [a] = relays as [Relay, Relay];
    const client = closing(await V1Client.connect(a.port, "app", { token }));
    // The relay that has the tunnel reads another file, which still has the token.
    await revokeToken(atB, id);
    expect((await client.closed).code).toBe(4001);
  });
});

describe("a relay whose cluster is not to be had", () => {
  const start = async (...args: string[]) => {
    const secret = ["--cluster-secret-file", secretFile];
    const relay = closing(runRelay(["--domain", "localhost", "--port", "0", ...secret, ...args]));
    const { code } = await relay.exited;
    return { code, stderr: relay.stderr, stdout: relay.stdout };
  };

  it("does not start without Redis, and says which one does not answer", async () => {
    const port = await freePort();
    const cluster = ["--cluster", `redis://127.0.0.1:${port}`, "--peer-listen", "127.0.0.1:0"];
    const { code, stderr, stdout } = await start(...cluster);
    expect(code).toBe(1);
    expect(stderr).toEqual([expect.stringContaining(`Redis at 127.0.0.1:${port}`)]);
    expect(stdout.join("\n")).not.toContain("listening");
  });

  it("does not start without its port for other relays", async () => {
    const { port } = closing(await startRelayCommand());
    const { code, stderr } = await start(
      ...["--cluster", "redis://127.0.0.1:1", "--peer-listen", `127.0.0.1:${port}`],
    );
    expect(code).toBe(1);
    expect(stderr).toEqual([expect.stringContaining(`127.0.0.1:${port}`)]);
  });
});
