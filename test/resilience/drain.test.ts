import { connect, type Socket } from "node:net";
import { createRelay, type Relay } from "mcp-tunnel";
import { startTunnelClient, type TunnelClient } from "mcp-tunnel-client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { createVisitor, type Visitor } from "../support/visitor.js";
import { nextEvent } from "./support.js";

const opened = closingAfterEach();

/** A visitor's connection that is kept open over several requests. */
class KeptConnection {
  readonly #socket: Socket;
  #received = "";
  #wake: () => void = () => {};
  closed = false;

  constructor(port: number) {
    this.#socket = connect({ port, host: "127.0.0.1" });
    this.#socket.setEncoding("latin1");
    this.#socket.on("error", () => {});
    this.#socket.on("data", (text) => {
      this.#received += String(text);
      this.#wake();
    });
    this.#socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
  }

  /** Asks for a response with a body of at least one byte, and returns it as text. */
  async get(path: string, host = "demo.localhost"): Promise<string> {
    this.#received = "";
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    const isWhole = (): boolean => {
      const length = /content-length: (\d+)/i.exec(this.#received)?.[1];
      const end = this.#received.indexOf("\r\n\r\n");
      return end !== -1 && this.#received.length >= end + 4 + Number(length);
    };
    while (!isWhole() && !this.closed) await this.#change();
    return this.#received;
  }

  async end(): Promise<void> {
    while (!this.closed) await this.#change();
  }

  close(): void {
    this.#socket.destroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

let upstream: Upstream;
let relay: Relay;
/** The proxy between the client and the relay. */
let proxy: FaultProxy;
let client: TunnelClient;
let visitor: Visitor;
let port: number;

/**
 * The next process behind the same address, as it were. It tries until it has the port, as a service manager
 * would have it do: a relay that is closed takes those who wait at its port first.
 */
async function startSuccessor(): Promise<Relay> {
  const successor = createRelay({ domain: "localhost", host: "127.0.0.1", port });
  await vi.waitFor(() => successor.listen(), { interval: 1 });
  return opened({ ...successor, close: () => successor.close(0) });
}

beforeEach(async () => {
  upstream = opened(await startUpstream());
  relay = createRelay({ domain: "localhost", host: "127.0.0.1", port: 0, startupHoldMs: 0 });
  ({ port } = await relay.listen());
  proxy = opened(await startFaultProxy(port));
  client = opened(
    await startTunnelClient({
      port: upstream.port,
      relayUrl: `http://127.0.0.1:${proxy.port}`,
      token: "demo",
      subdomain: "demo",
    }),
  );
  visitor = opened(createVisitor(port));
});

afterEach(() => {
  vi.useRealTimers();
  return relay.close(0);
});

describe("a relay that drains", () => {
  it("serves what comes over open connections, and closes each after its answer", async () => {
    const [one, two, three] = [0, 1, 2].map(() => opened(new KeptConnection(port))) as [
      KeptConnection,
      KeptConnection,
      KeptConnection,
    ];
    for (const connection of [one, two, three]) expect(await connection.get("/bytes/10")).toMatch(/ 200 /);
    // The event stream keeps the relay from ending, and the client on two relays.
    const long = await visitor.visit("demo", "/sse");
    const moved = nextEvent(client, "connected");
    const ended = relay.close(10_000);
    await startSuccessor();
    await moved;

    // The client has moved to the successor long ago. The visitor's connection is still with the old relay.
    const answer = await one.get("/bytes/11");
    expect(answer).toMatch(/^HTTP\/1.1 200 .*connection: close\r\n/is);
    await one.end();
    // The relay's own answers close their connection, too.
    expect(await two.get("/", "localhost")).toMatch(/connection: close\r\n/i);
    const unknown = await three.get("/", "nobody.localhost");
    expect(unknown).toMatch(/^HTTP\/1.1 503 .*retry-after: 1\r\n.*tunnel draining$/is);
    expect(unknown).toMatch(/connection: close\r\n/i);
    // The event stream goes on to its end.
    upstream.emit("still here");
    for await (const chunk of long.body) {
      expect(String(chunk)).toContain("still here");
      break;
    }
    await ended;
    expect((await visitor.text("demo", "/status/202")).status).toBe(202);
  });

  it("gives a kept connection a second for its next request, then closes it and ends", async () => {
    const kept = opened(new KeptConnection(port));
    await kept.get("/bytes/10");
    const beganAtMs = performance.now();
    const ended = relay.close(10_000);
    await kept.end();
    expect(performance.now() - beganAtMs).toBeGreaterThan(900);
    await ended;
    // The relay does not take the whole grace period.
    expect(performance.now() - beganAtMs).toBeLessThan(9_000);
  });

  it("ends at once when nobody is connected", async () => {
    await visitor.close();
    await client.close();
    // No time passes: a relay that waited for a timer would wait for ever.
    vi.useFakeTimers({ toFake: ["setTimeout", "setInterval"] });
    await relay.close(10_000);
    vi.useRealTimers();
  });

  it("is left without a loss when its successor listens in time", async () => {
    const events: string[] = [];
    for (const name of ["connected", "disconnected", "reconnecting"] as const) {
      client.on(name, (event: { cause?: { code: string }; resumed?: boolean }) => {
        events.push(`${name} ${event.cause?.code ?? event.resumed}`);
      });
    }
    const slow = visitor.text("demo", "/slow?ms=500");
    await upstream.nextRequest();
    const ended = relay.close(10_000);
    const successor = await startSuccessor();
    while (successor.tunnels().length === 0) await nextEvent(client, "connected");
    const fresh = opened(createVisitor(port));
    expect((await fresh.text("demo", "/status/201")).status).toBe(201);
    expect(await slow).toEqual({ status: 200, text: "slow\n" });
    await ended;
    expect((await fresh.text("demo", "/status/202")).status).toBe(202);
    expect(client.state).toBe("online");
    // The number of attempts while no relay listened does not count.
    expect(events.filter((event) => event !== "reconnecting unreachable")).toEqual([
      "reconnecting draining",
      "connected true",
    ]);
  });

  it("does not keep its visitors waiting for a client that is away: it could not come back here", async () => {
    const open = visitor.text("demo", "/hang");
    await upstream.nextRequest();
    proxy.refusing = true;
    proxy.cut();
    await nextEvent(client, "disconnected");
    const held = visitor.text("demo", "/");
    while (relay.openExchanges < 2) await new Promise((resolve) => setImmediate(resolve));
    const ended = relay.close(10_000);
    expect(await open).toEqual({ status: 502, text: "tunnel dropped request" });
    expect(await held).toEqual({ status: 503, text: "tunnel draining" });
    await ended;
  });
});
