import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { missingProgram } from "../../../test/support/requires.js";
import type { Authenticator, LimitName, RelayOptions, TokenGrant } from "../src/index.js";
import { RawVisitor, ScriptedClient, startRelay, V1Client } from "./support.js";

// What the requests and the bytes of one token may be in a second. The clock of the relay stands still until
// the test moves it on, so nothing here depends on how long the machine takes.

const opened = closingAfterEach();

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
});

afterEach(() => {
  vi.useRealTimers();
});

interface Rates {
  maxRequestsPerSecond?: number | undefined;
  maxBytesPerSecond?: number | undefined;
}

/** A relay whose tokens all have these limits, which the test may change. */
async function start(rates: Rates, options: Partial<RelayOptions> = {}) {
  const grantOf = (id: string): TokenGrant => ({
    id,
    maxTunnels: undefined,
    get maxRequestsPerSecond() {
      return rates.maxRequestsPerSecond;
    },
    get maxBytesPerSecond() {
      return rates.maxBytesPerSecond;
    },
    refusal: () => undefined,
    watch: () => () => {},
  });
  const authenticator: Authenticator = {
    mode: "of the test",
    authenticate: async ({ token }) => ({ allowed: ["*"], grant: grantOf(token) }),
  };
  const hits: LimitName[] = [];
  const relay = opened(
    await startRelay({
      authenticator,
      observers: [{ onEnd() {}, onLimit: ({ limit }) => hits.push(limit) }],
      ...options,
    }),
  );
  return { ...relay, hits };
}

function visit(port: number, head = "GET / HTTP/1.1", body = ""): RawVisitor {
  const visitor = opened(new RawVisitor(port));
  visitor.request(head, body);
  return visitor;
}

const get = (name: string): string => `GET / HTTP/1.1\nHost: ${name}.localhost`;
const headEnd = "\r\n\r\n";
const headIn = (received: string): boolean => received.includes(headEnd);
const bodyOf = (received: string): string => received.slice(received.indexOf(headEnd) + headEnd.length);
const bodyHas = (bytes: number) => (received: string) => headIn(received) && bodyOf(received).length >= bytes;

async function answered(visitor: RawVisitor, client: V1Client): Promise<string> {
  const { stream } = await client.accept();
  stream.sendHead({ status: 204, headers: [] }, true);
  return await visitor.until(headIn);
}

/** Lets everything happen that the events so far bring about. */
async function rest(): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- one turn after the other
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * Moves the clock on, step by step, until it is so. `look` is called before each step with the time so far.
 */
async function moveOn(isSo: () => boolean, look?: (elapsedMs: number) => void): Promise<number> {
  let elapsedMs = 0;
  for (; !isSo(); elapsedMs += 100) {
    look?.(elapsedMs);
    vi.advanceTimersByTime(100);
    // oxlint-disable-next-line no-await-in-loop -- what this step lets through has to arrive
    await rest();
  }
  return elapsedMs;
}

describe("requests of one token", () => {
  it("are so many at once over all its tunnels, and get 429 beyond it until the time has come", async () => {
    const { port, hits } = await start({ maxRequestsPerSecond: 2 });
    const [one, two] = [
      opened(await V1Client.connect(port, "one", { refusals: true })),
      opened(await V1Client.connect(port, "two")),
    ];
    const stranger = opened(await V1Client.connect(port, "stranger", { token: "another" }));
    expect(await answered(visit(port, get("one")), one)).toMatch(/^HTTP\/1.1 204 /);
    expect(await answered(visit(port, get("two")), two)).toMatch(/^HTTP\/1.1 204 /);
    const refused = await visit(port, get("one")).until((received) => received.includes("requests to"));
    expect(refused).toMatch(/^HTTP\/1.1 429 /);
    expect(refused).toContain("X-Tunnel-Error: tunnel_rate_limited\r\n");
    expect(refused).toContain("Retry-After: 1\r\n");
    expect(hits).toEqual(["requests_per_token"]);
    const limit = { option: "max-token-requests-per-second", value: 2, unit: "count" };
    vi.advanceTimersByTime(0);
    expect(await one.refusals(1)).toMatchObject([
      { code: "tunnel_rate_limited", status: 429, path: "/", limit },
    ]);
    expect(await answered(visit(port, get("stranger")), stranger)).toMatch(/^HTTP\/1.1 204 /);
    vi.advanceTimersByTime(499);
    expect(await visit(port, get("one")).until(headIn)).toMatch(/^HTTP\/1.1 429 /);
    vi.advanceTimersByTime(1);
    expect(await answered(visit(port, get("one")), one)).toMatch(/^HTTP\/1.1 204 /);
  });

  it("beyond it get an error of JSON-RPC if they are MCP", async () => {
    const { port } = await start({ maxRequestsPerSecond: 1 });
    const client = opened(await V1Client.connect(port, "app"));
    await answered(visit(port), client);
    const call = JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/list" });
    const fields = `Accept: application/json\nContent-Type: application/json\nContent-Length: ${call.length}`;
    const received = await visit(port, `POST /mcp HTTP/1.1\n${fields}`, call).until((text) =>
      text.endsWith("}"),
    );
    expect(received).toMatch(/^HTTP\/1.1 429 /);
    expect(JSON.parse(bodyOf(received))).toMatchObject({
      id: 7,
      error: { data: { code: "tunnel_rate_limited" } },
    });
  });

  it("follow a limit that changes, or comes later", async () => {
    const rates: Rates = {};
    const { port } = await start(rates);
    const client = opened(await V1Client.connect(port, "app"));
    for (let i = 0; i < 3; i += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one request after the other
      expect(await answered(visit(port), client)).toMatch(/^HTTP\/1.1 204 /);
    }
    rates.maxRequestsPerSecond = 1;
    await answered(visit(port), client);
    expect(await visit(port).until(headIn)).toMatch(/^HTTP\/1.1 429 /);
    rates.maxRequestsPerSecond = undefined;
    expect(await answered(visit(port), client)).toMatch(/^HTTP\/1.1 204 /);
  });

  it("are no more because its client comes back", async () => {
    const { port } = await start({ maxRequestsPerSecond: 1 });
    const before = await V1Client.connect(port, "app");
    await answered(visit(port), before);
    before.close();
    await before.closed;
    const after = opened(await V1Client.connect(port, "app"));
    expect(await visit(port).until(headIn)).toMatch(/^HTTP\/1.1 429 /);
    vi.advanceTimersByTime(1_000);
    expect(await answered(visit(port), after)).toMatch(/^HTTP\/1.1 204 /);
  });

  it("have the relay's limit if the token has none", async () => {
    const { port } = await start({}, { maxTokenRequestsPerSecond: 1 });
    const client = opened(await V1Client.connect(port, "app"));
    await answered(visit(port), client);
    expect(await visit(port).until(headIn)).toMatch(/^HTTP\/1.1 429 /);
  });

  it("have the relay's limit if the authenticator tells nothing of the token", async () => {
    const relay = opened(await startRelay({ maxTokenRequestsPerSecond: 1 }));
    const client = opened(await V1Client.connect(relay.port, "app"));
    await answered(visit(relay.port), client);
    expect(await visit(relay.port).until(headIn)).toMatch(/^HTTP\/1.1 429 /);
  });
});

describe("bytes of one token", () => {
  const second = 10_000;

  /** An answer of so many bytes, and the visitor who waits for it. */
  async function download(port: number, client: V1Client, bytes: number) {
    const visitor = visit(port);
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: ["Content-Length", String(bytes)] });
    stream.write(Buffer.alloc(bytes, "x"));
    stream.end();
    return visitor;
  }

  it("of an answer come at their rate, and those of one second at once", async () => {
    const { port, hits } = await start({ maxBytesPerSecond: second });
    const client = opened(await V1Client.connect(port, "app"));
    const bytes = 5 * second;
    const visitor = await download(port, client, bytes);
    await visitor.until(headIn);
    await rest();
    // A long chunk goes in pieces, all of them by the clock of the test.
    expect(bodyOf(visitor.received)).toHaveLength(0);
    const elapsedMs = await moveOn(
      () => bodyHas(bytes)(visitor.received),
      (ms) => expect(bodyOf(visitor.received).length).toBeLessThanOrEqual(second + (ms * second) / 1_000),
    );
    expect(elapsedMs).toBeGreaterThanOrEqual(4_000);
    expect(hits).toContain("bytes_per_token");
    expect(hits).not.toContain("requests_per_token");
  });

  it("of a request come at their rate, and the visitor is not read meanwhile", async () => {
    const { port } = await start({ maxBytesPerSecond: second }, { maxRequestBodyBytes: 64_000_000 });
    const client = opened(await V1Client.connect(port, "app"));
    // More than the buffers of any machine and of the relay hold, so that the visitor notices. Linux gives a
    // connection up to 4 MiB to send from and 32 MiB to receive into, if it has them.
    const bytes = 64_000_000;
    const visitor = visit(port, `POST / HTTP/1.1\nContent-Length: ${bytes}`);
    const exchange = await client.accept();
    const isSent = new Promise((resolve) => visitor.socket.write(Buffer.alloc(bytes), resolve));
    let hasSent = false;
    void isSent.then(() => (hasSent = true));
    const elapsedMs = await moveOn(
      () => exchange.body.length >= 3 * second,
      (ms) => expect(exchange.body.length).toBeLessThanOrEqual(second + (ms * second) / 1_000),
    );
    expect(elapsedMs).toBeGreaterThanOrEqual(2_000);
    expect(hasSent).toBe(false);
  });

  it("are those of all its tunnels, and a short answer takes its turn beside a long one", async () => {
    const { port } = await start({ maxBytesPerSecond: second });
    const client = opened(await V1Client.connect(port, "app"));
    const other = opened(await V1Client.connect(port, "other"));
    const long = await download(port, client, 100 * second);
    await moveOn(() => bodyHas(second)(long.received));
    const short = visit(port, get("other"));
    const { stream } = await other.accept();
    stream.sendHead({ status: 200, headers: ["Content-Length", "5"] });
    stream.write(Buffer.from("short"));
    stream.end();
    await short.until(headIn);
    await moveOn(() => bodyHas(5)(short.received));
    expect(bodyOf(short.received)).toBe("short");
    expect(bodyOf(long.received).length).toBeLessThan(50 * second);
  });

  it("of an event stream and of an upgraded connection count as well, both ways", async () => {
    const { port } = await start({ maxBytesPerSecond: second });
    const client = opened(await V1Client.connect(port, "app"));
    const events = visit(port);
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: ["Content-Type", "text/event-stream"] });
    stream.write(Buffer.alloc(second, "e"));
    await events.until((received) => received.includes("eeee"));
    const socket = opened(new RawVisitor(port));
    socket.request("GET / HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket");
    const upgraded = await client.accept();
    upgraded.stream.sendHead({ status: 101, headers: ["Connection", "Upgrade", "Upgrade", "websocket"] });
    await socket.until(headIn);
    socket.socket.write("up");
    upgraded.stream.write(Buffer.from("down"));
    await rest();
    expect([upgraded.body, bodyOf(socket.received)]).toEqual(["", ""]);
    await moveOn(() => upgraded.body === "up" && socket.received.endsWith("down"));
    // Each direction ends when what it held has passed.
    stream.write(Buffer.alloc(second, "e"));
    socket.socket.end("last");
    let hasEnded = false;
    void upgraded.ended.then(() => (hasEnded = true));
    expect(await moveOn(() => hasEnded)).toBeGreaterThan(0);
    expect(upgraded.body).toBe("uplast");
  });

  it("are not held up without a limit, and a limit that is gone lets go of what waits", async () => {
    const rates: Rates = {};
    const { port } = await start(rates);
    const client = opened(await V1Client.connect(port, "app"));
    const free = await download(port, client, 100_000);
    expect(bodyOf(await free.until(bodyHas(100_000)))).toHaveLength(100_000);
    rates.maxBytesPerSecond = 1_000;
    const slow = await download(port, client, 100_000);
    await slow.until(headIn);
    await rest();
    rates.maxBytesPerSecond = undefined;
    expect(await moveOn(() => bodyHas(100_000)(slow.received))).toBeLessThan(50_000);
  });

  it("that wait go with their visitor, and the tunnel keeps nothing of them", async () => {
    const { port, relay } = await start({ maxBytesPerSecond: 1_000 });
    const client = opened(await V1Client.connect(port, "app"));
    const visitor = await download(port, client, 50_000);
    await visitor.until(headIn);
    await rest();
    expect(relay.tunnels()[0]?.queuedBytes).toBeGreaterThan(50_000);
    visitor.close();
    await vi.waitFor(() => {
      expect(relay.openExchanges).toBe(0);
      const [tunnel] = relay.tunnels();
      expect(tunnel?.streams).toBe(0);
      // Frames that the client has not acknowledged are left: time stands still.
      expect(tunnel?.queuedBytes).toBeLessThan(1_000);
    });
  });

  it("of an original client are slowed down as well", async () => {
    const { port } = await start({ maxBytesPerSecond: second });
    const client = opened(await ScriptedClient.registered(port, { token: "t", subdomain: "app" }));
    const visitor = visit(port);
    void client.serve("y".repeat(3 * second));
    await visitor.until(headIn);
    await rest();
    expect(bodyOf(visitor.received)).toHaveLength(0);
    expect(await moveOn(() => bodyHas(3 * second)(visitor.received))).toBeGreaterThanOrEqual(2_000);
    expect(bodyOf(visitor.received)).toBe("y".repeat(3 * second));
  });
});

describe.skipIf(missingProgram("curl"))("curl", () => {
  const run = promisify(execFile);
  const curl = async (port: number, ...args: string[]): Promise<string> => {
    const { stdout } = await run("curl", [
      "-sS",
      "-H",
      "Host: app.localhost",
      ...args,
      `http://127.0.0.1:${port}/`,
    ]);
    return stdout;
  };

  it("gets 429 beyond the requests, and is told when to come again", async () => {
    const { port } = await start({ maxRequestsPerSecond: 1 });
    const client = opened(await V1Client.connect(port, "app"));
    const first = curl(port, "-o", "/dev/null", "-w", "%{http_code}");
    (await client.accept()).stream.sendHead({ status: 204, headers: [] }, true);
    expect(await first).toBe("204");
    const told = "%{http_code} %header{retry-after} %header{x-tunnel-error}";
    expect(await curl(port, "-o", "/dev/null", "-w", told)).toBe("429 1 tunnel_rate_limited");
  });

  it("gets a whole answer, in the time that its bytes take", async () => {
    const { port } = await start({ maxBytesPerSecond: 10_000 });
    const client = opened(await V1Client.connect(port, "app"));
    let isOver = false;
    const got = curl(port).finally(() => (isOver = true));
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: ["Content-Length", "45000"] });
    stream.write(Buffer.alloc(45_000, "z"));
    stream.end();
    expect(await moveOn(() => isOver)).toBeGreaterThanOrEqual(3_500);
    expect(await got).toBe("z".repeat(45_000));
  });
});
