import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createRelay } from "mcp-tunnel";
import { startTunnelClient, type TunnelClient } from "mcp-tunnel-client";
import { beforeEach, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { createVisitor, type Visitor } from "../support/visitor.js";
import { nextEvent } from "./support.js";

/**
 * A way to the relay that can deliver the bytes of a connection once more. For the relay this is a connection
 * that its client gave up: the network was gone for a while, and delivers its bytes when its successor is up.
 */
class Recorder {
  readonly #server: Server;
  readonly #targetPort: number;
  readonly #near = new Set<Socket>();
  /** The bytes that the newest connection has brought to the relay so far. */
  #chunks: Buffer[] = [];
  /** Drops all bytes of the relay on new connections, except the WebSocket handshake. */
  losesAnswers = false;

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer((near) => {
      const chunks: Buffer[] = [];
      this.#chunks = chunks;
      this.#near.add(near);
      const far = connect({ port: targetPort, host: "127.0.0.1" });
      near.on("data", (chunk) => chunks.push(chunk));
      near.pipe(far);
      if (this.losesAnswers) {
        far.once("data", (handshake) => {
          near.write(handshake);
          far.resume();
        });
      } else far.pipe(near);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        one.on("error", () => {});
        one.on("close", () => other.destroy());
      }
      near.on("close", () => this.#near.delete(near));
    });
  }

  static async start(targetPort: number): Promise<Recorder> {
    const recorder = new Recorder(targetPort);
    recorder.#server.listen(0, "127.0.0.1");
    await once(recorder.#server, "listening");
    return recorder;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The bytes that the newest connection has brought to the relay so far. */
  get recorded(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /**
   * Delivers these bytes again, over a connection of its own. Resolves when the relay has answered and the
   * connection is closed.
   */
  async deliver(recorded: Buffer): Promise<void> {
    const socket = connect({ port: this.#targetPort, host: "127.0.0.1" });
    socket.on("error", () => {});
    // The client of this connection is gone: the connection ends after the bytes that were on their way.
    socket.end(recorded);
    socket.resume();
    await once(socket, "close");
  }

  cut(): void {
    for (const socket of this.#near) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }
}

const opened = closingAfterEach();

let upstream: Upstream;
let visitor: Visitor;
let recorder: Recorder;
let client: TunnelClient;
/** The bytes that the client's first registration brought to the relay. */
let first: Buffer;
/** The events of the client since it registered. */
let events: string[];

beforeEach(async () => {
  upstream = opened(await startUpstream());
  const relay = createRelay({ domain: "localhost", host: "127.0.0.1", port: 0, startupHoldMs: 0 });
  opened({ close: () => relay.close(0) });
  const { port } = await relay.listen();
  recorder = opened(await Recorder.start(port));
  visitor = opened(createVisitor(port));
  const options = {
    port: upstream.port,
    relayUrl: `http://127.0.0.1:${recorder.port}`,
    subdomain: "demo",
    registerTimeoutMs: 1_000,
    waitForRelay: true,
  };
  client = opened(await startTunnelClient(options));
  first = recorder.recorded;
  events = [];
  client.on("connected", ({ resumed }) => void events.push(resumed ? "resumed" : "registered"));
  client.on("disconnected", () => void events.push("disconnected"));
  client.on("closed", () => void events.push("closed"));
});

async function serves(): Promise<void> {
  expect((await visitor.text("demo", "/status/201")).status).toBe(201);
}

/** Cuts the link, and returns the bytes that the client sends to go on with its session. */
async function resumption(): Promise<Buffer> {
  let recorded: Buffer | undefined;
  // At once: the bytes that the client sends from now on are not part of the resumption.
  const listener = (): void => void (recorded = recorder.recorded);
  client.on("connected", listener);
  const again = nextEvent(client, "connected");
  recorder.cut();
  await again;
  client.off("connected", listener);
  return recorded as Buffer;
}

describe("a registration that was given up and arrives after its successor", () => {
  it("is not the end of the client: it registers once more", async () => {
    const again = nextEvent(client, "connected");
    await recorder.deliver(first);
    await again;
    expect(events).toEqual(["disconnected", "registered"]);
    await serves();
  });

  it("costs no exchange if it was to go on with the session", async () => {
    const open = visitor.text("demo", "/slow?ms=300");
    await upstream.nextRequest();
    const late = await resumption();
    const again = nextEvent(client, "connected");
    await recorder.deliver(late);
    await again;
    expect(events).toEqual(["disconnected", "resumed", "disconnected", "resumed"]);
    expect(await open).toEqual({ status: 200, text: "slow\n" });
  });

  it("costs nothing at all once the session has moved on", async () => {
    const late = await resumption();
    // More bytes than the client sends without an acknowledgement.
    const body = Buffer.alloc(300_000, "x");
    const answer = await visitor.visit("demo", "/echo", { method: "POST", body });
    expect((await answer.body.arrayBuffer()).byteLength).toBe(body.length);
    const open = visitor.text("demo", "/slow?ms=300");
    await recorder.deliver(late);
    expect(await open).toEqual({ status: 200, text: "slow\n" });
    await serves();
    expect(events).toEqual(["disconnected", "resumed"]);
  });
});

it("an attempt whose answer does not come is given up, and the session with it is not", async () => {
  const open = visitor.text("demo", "/slow?ms=100");
  await upstream.nextRequest();
  recorder.losesAnswers = true;
  recorder.cut();
  let cause: string;
  do cause = (await nextEvent(client, "reconnecting")).cause.code;
  while (cause !== "timeout");
  recorder.losesAnswers = false;
  await nextEvent(client, "connected");
  expect(events).toEqual(["disconnected", "resumed"]);
  expect(await open).toEqual({ status: 200, text: "slow\n" });
});
