import { createRelay, type RelayOptions } from "mcp-tunnel";
import { describe, expect, it } from "vitest";
import { createMetrics } from "../../packages/relay/src/admin/metrics.js";
import { createAdminServer } from "../../packages/relay/src/admin/server.js";
import { FakeCluster } from "../../packages/relay/test/fake-cluster.js";
import { RawVisitor, V1Client } from "../../packages/relay/test/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runRelay } from "../support/commands.js";
import { ask, Scrape } from "./support.js";

// The operator of one relay looks after all relays of its cluster.

const closing = closingAfterEach();

async function startRelay(options: Partial<RelayOptions>) {
  const metrics = createMetrics("1.2.3");
  const relay = createRelay({
    ...{ domain: "localhost", host: "127.0.0.1", port: 0, observers: [metrics.observer] },
    ...options,
  });
  const { port } = await relay.listen();
  const server = createAdminServer(relay, { host: "127.0.0.1", port: 0, metrics, version: "1.2.3" });
  const admin = await server.listen();
  closing(server);
  closing({ close: () => relay.close(0) });
  return { relay, port, admin: `http://127.0.0.1:${admin.port}` };
}

/** Two relays of one cluster, each with a tunnel. */
async function setUp() {
  const cluster = new FakeCluster();
  const [memberA, memberB] = [cluster.member("a"), cluster.member("b")];
  const a = await startRelay({ member: memberA });
  const b = await startRelay({ member: memberB });
  closing(await V1Client.connect(a.port, "at-a"));
  const client = closing(await V1Client.connect(b.port, "at-b"));
  return { cluster, memberA, memberB, a, b, client };
}

async function run(admin: string, ...args: string[]) {
  const command = runRelay([...args, "--admin", admin]);
  const { code } = await command.exited;
  return { code, output: command.output, stdout: command.stdout };
}

describe("readiness", () => {
  it("is that of a relay which the others can count on", async () => {
    const { a, memberA } = await setUp();
    expect(await ask(`${a.admin}/readyz`)).toMatchObject({ status: 200, json: { status: "ready" } });
    memberA.isReady = false;
    const notIn = { status: 503, json: { status: "not in the cluster" } };
    expect(await ask(`${a.admin}/readyz`)).toMatchObject(notIn);
    const health = await run(a.admin, "health");
    expect(health).toMatchObject({ code: 1 });
    expect(health.output).toContain("the relay is not ready: it is not in the cluster");
    // A relay that leaves is not in the cluster either, and says why.
    const closed = a.relay.close(60_000);
    expect(await ask(`${a.admin}/readyz`)).toMatchObject({ status: 503, json: { status: "draining" } });
    void a.relay.close(0);
    await closed;
  });
});

describe("the tunnels", () => {
  it("of all relays are shown by each, with their relays", async () => {
    const { a, b } = await setUp();
    for (const { admin, node } of [
      { ...a, node: "a" },
      { ...b, node: "b" },
    ]) {
      const { json } = await ask(`${admin}/api/tunnels`);
      expect(json).toMatchObject({
        relay: { node, version: "1.2.3", addresses: { a: "a.test:7000", b: "b.test:7000" } },
        tunnels: [
          { name: "at-a", relay: "a", state: "online" },
          { name: "at-b", relay: "b", state: "online" },
        ],
        silent: [],
      });
    }
    expect((await ask(`${a.admin}/api/tunnels/at-b`)).json).toMatchObject({ name: "at-b", relay: "b" });
  });

  it("of one relay are shown with scope=local", async () => {
    const { a } = await setUp();
    const { json } = await ask(`${a.admin}/api/tunnels?scope=local`);
    // An array matches only one of its own length.
    expect(json).toMatchObject({ tunnels: [{ name: "at-a", relay: "a" }], silent: [] });
    expect((await ask(`${a.admin}/api/tunnels/at-b?scope=local`)).status).toBe(404);
    const odd = await ask(`${a.admin}/api/tunnels?scope=all`);
    expect(odd).toMatchObject({
      status: 400,
      json: { error: expect.stringContaining("the scope is local") },
    });
  });

  it("that have the same name are told apart by their state", async () => {
    const { a, b, client } = await setUp();
    const visitor = closing(new RawVisitor(b.port));
    visitor.request("GET / HTTP/1.1\nHost: at-b.localhost");
    // The request keeps the session open that its client leaves.
    await client.accept();
    client.session.goaway();
    closing(await V1Client.connect(a.port, "at-b"));
    expect((await ask(`${b.admin}/api/tunnels/at-b`)).json).toMatchObject({ relay: "a", state: "online" });
    expect((await ask(`${b.admin}/api/tunnels/at-b?scope=local`)).json).toMatchObject({ state: "leaving" });
  });

  it("are closed from any relay", async () => {
    const { a, client } = await setUp();
    const deleted = await ask(`${a.admin}/api/tunnels/at-b`, { method: "DELETE" });
    expect(deleted.json).toEqual({ disconnected: "at-b", relays: ["b"], silent: [] });
    expect((await client.closed).code).toBe(4001);
    const again = await ask(`${a.admin}/api/tunnels/at-b`, { method: "DELETE" });
    expect(again).toMatchObject({ status: 404, json: { error: "no tunnel is called 'at-b'" } });
  });

  it("of a relay that is silent are not denied", async () => {
    const { a, cluster } = await setUp();
    cluster.silent.add("b");
    expect((await ask(`${a.admin}/api/tunnels`)).json).toMatchObject({
      tunnels: [{ name: "at-a" }],
      silent: ["b"],
    });
    const error = "no tunnel is called 'at-b' at the relays that answered; these did not: b.test:7000";
    expect(await ask(`${a.admin}/api/tunnels/at-b`)).toMatchObject({ status: 404, json: { error } });
    const deleted = await ask(`${a.admin}/api/tunnels/at-b`, { method: "DELETE" });
    expect(deleted).toMatchObject({ status: 404, json: { error, silent: ["b"] } });
  });
});

describe("the command", () => {
  it("shows the relay of each tunnel, and warns of silent relays", async () => {
    const { a, cluster } = await setUp();
    const { stdout } = await run(a.admin, "status");
    expect(stdout[0]).toMatch(/^mcp-tunnel 1\.2\.3 \(relay a\.test:7000\), up \d+s: 2 tunnels$/);
    const [head = "", first = "", second = ""] = stdout.slice(-3);
    const column = head.indexOf("RELAY");
    expect(head.startsWith("NAME")).toBe(true);
    const places = [first, second].map((line) => line.slice(column).split(" ", 1)[0]);
    expect(places).toEqual(["a.test:7000", "b.test:7000"]);
    cluster.silent.add("b");
    const warned = await run(a.admin, "status");
    expect(warned.stdout[1]).toBe(
      "warning: relay b.test:7000 did not answer, and may have tunnels that are not shown or closed",
    );
    const disconnected = await run(a.admin, "disconnect", "AT-A");
    expect(disconnected.stdout).toEqual([
      "disconnected at-a at a",
      "warning: relay b did not answer, and may have tunnels that are not shown or closed",
    ]);
    const none = await run(a.admin, "disconnect", "at-b");
    expect(none.code).toBe(1);
    expect(none.output).toContain("these did not: b.test:7000");
  });

  it("shows no relays for one that is alone", async () => {
    const { port, admin } = await startRelay({});
    closing(await V1Client.connect(port, "app"));
    const { stdout } = await run(admin, "status");
    expect(stdout[0]).toMatch(/^mcp-tunnel 1\.2\.3, up/);
    expect(stdout.join("\n")).not.toContain("RELAY");
    const { json } = await ask(`${admin}/api/tunnels?scope=local`);
    expect(Object.keys(json ?? {})).toEqual(["relay", "tunnels"]);
    expect(json?.["relay"]).not.toHaveProperty("node");
    expect(await run(admin, "disconnect", "app")).toMatchObject({ stdout: ["disconnected app"] });
  });
});

describe("the metrics", () => {
  it("tell of the cluster, and have no such values for a relay that is alone", async () => {
    const { a, memberA } = await setUp();
    const first = await Scrape.at(a.admin);
    expect(first.value("mcp_tunnel_cluster_ready")).toBe(1);
    expect(first.value("mcp_tunnel_cluster_nodes")).toBe(2);
    expect(first.value("mcp_tunnel_cluster_peers")).toBe(1);
    expect(first.value("mcp_tunnel_cluster_requests", { direction: "in" })).toBe(3);
    expect(first.value("mcp_tunnel_cluster_requests", { direction: "out" })).toBe(4);
    expect(first.value("mcp_tunnel_cluster_splices", { direction: "in" })).toBe(5);
    expect(first.value("mcp_tunnel_cluster_splices", { direction: "out" })).toBe(0);
    memberA.isReady = false;
    expect((await Scrape.at(a.admin)).value("mcp_tunnel_cluster_ready")).toBe(0);
    const alone = await startRelay({});
    const { families } = await Scrape.at(alone.admin);
    const values = families.filter(({ name }) => name.startsWith("mcp_tunnel_cluster_"));
    expect(values).toHaveLength(5);
    expect(values.flatMap(({ metrics }) => metrics)).toEqual([]);
  });
});
