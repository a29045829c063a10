import { once } from "node:events";
import { describe, expect, it } from "vitest";
import type { Overview, TunnelPage } from "mcp-tunnel-dashboard/model";
import { limitList } from "../../packages/relay/src/limits.js";
import { staticAuthenticator } from "../../packages/relay/src/auth/static.js";
import { createMember, MemoryEngine } from "mcp-tunnel-cluster";
import { FakeCluster } from "../../packages/relay/test/fake-cluster.js";
import { RawVisitor, V1Client } from "../../packages/relay/test/support.js";
import { createAuthority, createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startAdmin, type TestAdmin } from "./in-process.js";

const closing = closingAfterEach();

const overviewOf = async (admin: TestAdmin): Promise<Overview> => {
  const { status, text } = await admin.ask("/api/overview");
  expect(status).toBe(200);
  return JSON.parse(text) as Overview;
};

async function listOf(admin: TestAdmin, query: string): Promise<TunnelPage> {
  const { status, text } = await admin.ask(`/api/tunnels?${query}`);
  expect(status).toBe(200);
  return JSON.parse(text) as TunnelPage;
}

/** Visits a tunnel whose client answers with these bytes, and waits for the end. */
async function visit(admin: TestAdmin, client: V1Client, name: string, body: string): Promise<void> {
  const visitor = closing(new RawVisitor(admin.port));
  visitor.request(`GET / HTTP/1.1\nHost: ${name}.localhost\nConnection: close`);
  const { stream } = await client.accept();
  stream.sendHead({ status: 200, headers: [] });
  stream.write(Buffer.from(body));
  stream.end();
  await visitor.closed;
}

describe("the overview", () => {
  it("counts what has passed since the relay's start, and what is open", async () => {
    const before = Date.now();
    const admin = closing(await startAdmin({ maxUrlBytes: 100 }));
    const client = closing(await V1Client.connect(admin.port, "app"));
    closing(await V1Client.connect(admin.port, "gated", { gate: { kinds: ["bearer"], digest: "x" } }));
    await visit(admin, client, "app", "12345");
    for (const target of ["/", `/${"x".repeat(200)}`]) {
      const visitor = closing(new RawVisitor(admin.port));
      visitor.request(`GET ${target} HTTP/1.1\nHost: none.localhost\nConnection: close`);
      await visitor.closed;
    }
    const open = closing(new RawVisitor(admin.port));
    open.request("GET / HTTP/1.1\nHost: app.localhost");
    await client.accept();

    const overview = await overviewOf(admin);
    expect(overview.at).toBeGreaterThanOrEqual(before);
    expect(overview.relay).toMatchObject({
      version: "1.2.3",
      domain: "localhost",
      ready: true,
      draining: false,
      stale: [],
    });
    const { totals } = overview;
    expect(totals.requests).toEqual({ none: 0, "1xx": 0, "2xx": 1, "3xx": 0, "4xx": 1, "5xx": 1 });
    expect(totals.outcomes).toEqual({ completed: 1, refused: 2, cancelled: 0, cut: 0 });
    expect(totals.refusals).toMatchObject({ tunnel_not_found: 1, url_too_long: 1, upstream_error: 0 });
    expect(totals.limits).toMatchObject({ url_length: 1, tunnels: 0 });
    const limits = limitList.flatMap(({ name }) => name ?? []);
    expect(Object.keys(totals.limits).toSorted()).toEqual(limits.toSorted());
    expect(totals.events).toMatchObject({ registered: 2, closed: 0 });
    expect(totals).toMatchObject({ requestBytes: 0, openRequests: 1 });
    expect(totals.responseBytes).toBeGreaterThan(5);
    expect(overview).toMatchObject({
      tunnels: { online: 2, away: 0, leaving: 0, gated: 1 },
      certificates: [],
      tokens: "none",
    });
    expect(overview).not.toHaveProperty("cluster");
  });

  it("says why the relay is not ready", async () => {
    const admin = closing(await startAdmin());
    const client = closing(await V1Client.connect(admin.port, "app"));
    const visitor = closing(new RawVisitor(admin.port));
    visitor.request("GET / HTTP/1.1\nHost: app.localhost");
    await client.accept();
    const closed = admin.relay.close(60_000);
    expect((await overviewOf(admin)).relay).toMatchObject({ ready: "draining", draining: true });
    void admin.relay.close(0);
    await closed;
  });

  it("says who decides about tokens", async () => {
    const authenticator = staticAuthenticator([{ token: "t", subdomains: ["app"] }]);
    const fixed = closing(await startAdmin({ authenticator }));
    expect((await overviewOf(fixed)).tokens).toBe("other");
    const file = closing(await startAdmin({ authenticator }, { tokenFile: "tokens.yaml" }));
    expect((await overviewOf(file)).tokens).toBe("file");
  });

  it("has the certificates in use, and what is wrong with them", async () => {
    const folder = closing(createFolder());
    const authority = await createAuthority();
    const names = ["tunnel.test", "*.tunnel.test", "10.0.0.1"];
    const { cert, key } = await authority.issue(names, { days: 20 });
    const files = { cert: folder.write("cert.pem", cert), key: folder.write("key.pem", key) };
    const admin = closing(await startAdmin({ domain: "tunnel.test", tls: { files: [files] } }));
    const [certificate, ...others] = (await overviewOf(admin)).certificates;
    expect(others).toEqual([]);
    expect(certificate).toEqual({
      names,
      issuer: "Test authority",
      notBefore: expect.any(Number),
      notAfter: expect.any(Number),
      source: "files",
    });
    const lifeMs = (certificate?.notAfter ?? 0) - (certificate?.notBefore ?? 0);
    expect(lifeMs).toBe(20 * 86_400_000);
    folder.write("cert.pem", "no certificate");
    await admin.relay.reload();
    const [stale] = (await overviewOf(admin)).certificates;
    expect(stale).toMatchObject({ names, stale: expect.stringContaining("no certificate in PEM form") });
  });

  it("of a relay in a cluster is its own, and names the others", async () => {
    const cluster = new FakeCluster();
    const a = closing(await startAdmin({ member: cluster.member("a") }));
    const b = closing(await startAdmin({ member: cluster.member("b") }));
    const atA = closing(await V1Client.connect(a.port, "at-a"));
    closing(await V1Client.connect(b.port, "at-b"));
    await visit(a, atA, "at-a", "12345");
    const ofA = await overviewOf(a);
    expect(ofA).toMatchObject({
      relay: { node: "a" },
      tunnels: { online: 1 },
      totals: { outcomes: { completed: 1 } },
      cluster: {
        node: "a",
        ready: true,
        relays: [
          { node: "a", address: "a.test:7000" },
          { node: "b", address: "b.test:7000" },
        ],
      },
    });
    expect(await overviewOf(b)).toMatchObject({
      relay: { node: "b" },
      totals: { outcomes: { completed: 0 } },
      tunnels: { online: 1 },
    });
    cluster.silent.add("b");
    expect((await overviewOf(a)).cluster?.relays).toEqual([
      { node: "a", address: "a.test:7000" },
      { node: "b", address: "b.test:7000", silent: true },
    ]);
    // The list of tunnels is that of both.
    cluster.silent.delete("b");
    expect(await listOf(a, "q=at-")).toMatchObject({
      total: 2,
      tunnels: [
        { name: "at-a", relay: "a" },
        { name: "at-b", relay: "b" },
      ],
      silent: [],
    });
  });
});

it("two relays with links between them tell of one another in their overviews", async () => {
  const engine = new MemoryEngine({ leaseMs: 6_000, keepNamesMs: 60_000, verdictMs: 60_000 });
  const member = () =>
    createMember({ engine, secret: "x".repeat(40), listen: { host: "127.0.0.1", port: 0 } });
  const a = closing(await startAdmin({ member: member() }));
  const b = closing(await startAdmin({ member: member() }));
  await expect.poll(() => [a, b].map(({ relay }) => relay.cluster?.status().peers)).toEqual([1, 1]);
  closing(await V1Client.connect(a.port, "at-a"));
  closing(await V1Client.connect(b.port, "at-b"));
  const [ofA, ofB] = await Promise.all([overviewOf(a), overviewOf(b)]);
  expect(ofA.cluster?.node).not.toBe(ofB.cluster?.node);
  const nodes = new Set([ofA.cluster?.node, ofB.cluster?.node]);
  expect(new Set(ofA.cluster?.relays.map(({ node }) => node))).toEqual(nodes);
  for (const { cluster, tunnels } of [ofA, ofB]) {
    expect(tunnels).toEqual({ online: 1, away: 0, leaving: 0, gated: 0 });
    expect(cluster).toMatchObject({ ready: true });
    for (const one of cluster?.relays ?? []) {
      expect(one).toEqual({ node: one.node, address: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
    }
  }
  expect(await listOf(a, "sort=name")).toMatchObject({
    total: 2,
    tunnels: [{ name: "at-a" }, { name: "at-b" }],
  });
  await b.relay.close(0);
  await expect.poll(async () => (await overviewOf(a)).cluster?.relays).toHaveLength(1);
});

describe("the list of tunnels", () => {
  it("is searched, sorted and cut into pages", async () => {
    const admin = closing(await startAdmin());
    for (const name of ["beta", "alpha", "gamma", "alphabet"]) {
      closing(await V1Client.connect(admin.port, name, { client: { name: `C-${name}`, version: "1" } }));
    }
    const names = async (query: string): Promise<string[]> =>
      (await listOf(admin, query)).tunnels.map(({ name }) => name);
    expect(await names("limit=1000")).toEqual(["alpha", "alphabet", "beta", "gamma"]);
    expect(await names("order=desc")).toEqual(["gamma", "beta", "alphabet", "alpha"]);
    expect(await names("sort=since")).toEqual(["beta", "alpha", "gamma", "alphabet"]);
    expect(await names("q=ALPHA")).toEqual(["alpha", "alphabet"]);
    expect(await names("q=c-gam")).toEqual(["gamma"]);
    expect(await names("q=127.0.0.1&limit=2")).toHaveLength(2);
    expect(await listOf(admin, "offset=1&limit=2")).toMatchObject({
      total: 4,
      tunnels: [{ name: "alphabet" }, { name: "beta" }],
    });
    expect(await listOf(admin, "offset=9")).toMatchObject({ total: 4, tunnels: [] });
    expect(await listOf(admin, "q=nothing")).toMatchObject({ total: 0, tunnels: [] });
    // Without a parameter of the list it answers as ever.
    const plain = await listOf(admin, "scope=local");
    expect(plain).not.toHaveProperty("total");
    expect(plain.tunnels.map(({ name }) => name)).toEqual(["beta", "alpha", "gamma", "alphabet"]);
  });

  it.each([
    "sort=age",
    "sort=__proto__",
    "order=up",
    "limit=0",
    "limit=1001",
    "limit=x",
    "offset=-1",
    "offset=",
  ])("refuses %s", async (query) => {
    const admin = closing(await startAdmin());
    const answer = await admin.ask(`/api/tunnels?${query}`);
    expect([answer.status, answer.json()["code"]]).toEqual([400, "bad_request"]);
  });

  it("shows texts of strangers with their control characters escaped", async () => {
    const admin = closing(await startAdmin());
    const name = "evil\u001b[2J\u202e<script>";
    closing(await V1Client.connect(admin.port, "app", { client: { name, version: "1" } }));
    const { text } = await admin.ask("/api/tunnels?q=app");
    // oxlint-disable-next-line no-control-regex -- these are what must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect((JSON.parse(text) as TunnelPage).tunnels[0]?.client?.name).toBeTypeOf("string");
  });
});

it("a tunnel is closed from the page", async () => {
  const admin = closing(await startAdmin());
  const client = closing(await V1Client.connect(admin.port, "app"));
  const headers = { "sec-fetch-site": "same-origin" };
  const answer = await admin.ask("/api/tunnels/app", { method: "DELETE", headers });
  expect([answer.status, answer.json()]).toEqual([200, { disconnected: "app" }]);
  expect((await client.closed).code).toBe(4001);
});

it("a listener that closes ends what is open", async () => {
  const admin = await startAdmin();
  const idle = new RawVisitor(admin.adminPort);
  await once(idle.socket, "connect");
  await admin.close();
  await idle.closed;
});
