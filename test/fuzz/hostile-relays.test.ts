import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { fuzzTimeoutMs, runs } from "../../packages/protocol/test/support/fuzz.js";
import { frame, parse, types } from "../../packages/protocol/test/support/wire.js";
import { type RunningCommand, runClient } from "../support/commands.js";
import { bytes, fields, type FrameMove, frames, method, target } from "./support/arbitraries.js";
import { frameBytes } from "./support/frames.js";
import { tryPlans } from "./support/patience.js";
import { settle } from "./support/settle.js";
import { type Service, startService } from "./support/service.js";
import { honestAnswer, Survivor } from "./support/survivor.js";
import { knownPlans } from "./support/vectors.js";

// A relay that sends anything at all to the client command. The client stays up, or it ends because the relay
// refused it. It reports no fault. It comes back, and serves an honest relay.

/** Plain data, so that a finding can be kept in test/vectors/hostile-peers.json. */
type Move =
  | FrameMove
  | { text: string }
  /** Bytes on the connection, below the WebSocket. */
  | { raw: string }
  | "settle"
  | { close: number };
interface Plan {
  /** The relay's answer to the registration. */
  acknowledge: unknown;
  moves: Move[];
}

const json = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.string({ maxLength: 20 }));
const known = { subdomain: "demo", url: "http://demo.test" };
const acknowledge = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constant({
      ...known,
      protocol: 1,
      session: { id: "s", secret: "0123456789abcdef" },
      resumeTimeoutMs: 60_000,
    }),
  },
  { weight: 4, arbitrary: fc.constant(known) },
  {
    weight: 2,
    arbitrary: fc.record(
      {
        subdomain: fc.oneof(fc.constantFrom("demo", "\u001b[2J"), json),
        url: fc.oneof(fc.constantFrom("http://demo.test", "javascript:alert(1)", "\r\n"), json),
        protocol: fc.oneof(fc.constantFrom(1, 2, 0, -1), json),
        window: fc.oneof(fc.constantFrom(16_384, 0, 0x7fffffff), json),
        session: fc.oneof(fc.constant({ id: "s", secret: "0123456789abcdef" }), json),
        resumeTimeoutMs: fc.oneof(fc.constantFrom(0, 1e15), json),
        resumed: fc.oneof(fc.constantFrom({ received: 0 }, { received: 1e9 }), json),
      },
      { requiredKeys: ["subdomain", "url"] },
    ),
  },
  { weight: 1, arbitrary: json },
);

const request = fc
  .tuple(method, target, fields, fc.constantFrom(0, 0x80, 0xc0, 0x40))
  .map(([verb, path, pairs, flags]): Move[] => [
    { frame: [types.REQUEST | flags, -1, [verb, path, ...pairs.flat()].join("\n")] },
  ]);
const jsonRequest = fc
  .tuple(
    method,
    target,
    fc.oneof(
      fields.map((pairs) => Object.fromEntries(pairs) as unknown),
      json,
    ),
    fc.oneof(fc.constantFrom<unknown>(null, "aGk=", "#"), json),
    fc.constantFrom("request", "cancel", undefined),
  )
  .map(([verb, path, headers, content, kind]): Move[] => [
    {
      text: JSON.stringify({
        kind,
        id: "00000000-0000-4000-8000-000000000001",
        method: verb,
        path,
        headers,
        body: content,
      }),
    },
  ]);
const move = fc.oneof(
  { weight: 6, arbitrary: request },
  { weight: 3, arbitrary: jsonRequest },
  {
    weight: 8,
    arbitrary: frames({ 1: 1, 2: 2, 4: 1, 5: 6, 6: 2, 7: 2, 8: 3, 9: 1, 10: 1, 11: 3 }).map((one): Move[] => [
      one,
    ]),
  },
  { weight: 1, arbitrary: json.map((value): Move[] => [{ text: JSON.stringify(value) ?? "" }]) },
  { weight: 1, arbitrary: bytes(40).map((raw): Move[] => [{ raw }]) },
  { weight: 2, arbitrary: fc.constant<Move[]>(["settle"]) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(1000, 1001, 1013, 4000, 4001, 4002).map((close): Move[] => [{ close }]),
  },
);
const plans: fc.Arbitrary<Plan> = fc.record({
  acknowledge,
  moves: fc.array(move, { maxLength: 16, size: "max" }).map((moves) => moves.flat()),
});

/** Accepts the client's connections, one at a time. */
class HostileRelay {
  readonly #server = createServer();
  readonly #webSockets = new WebSocketServer({ server: this.#server, perMessageDeflate: false });
  readonly #arrived: { ws: WebSocket; socket: Socket }[] = [];
  #wake: () => void = () => {};
  #stream = 0;

  async listen(): Promise<number> {
    this.#webSockets.on("connection", (ws, req) => {
      ws.on("error", () => {});
      ws.once("message", () => {
        this.#arrived.push({ ws, socket: req.socket });
        this.#wake();
      });
    });
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * The next connection that has registered. Calls `ensure` when the client has ended, which it may do after
   * a refusal.
   */
  async #next(ensure: () => Promise<void>): Promise<{ ws: WebSocket; socket: Socket }> {
    const deadline = performance.now() + 15_000;
    while (performance.now() < deadline) {
      for (let next = this.#arrived.shift(); next !== undefined; next = this.#arrived.shift()) {
        if (next.ws.readyState === WebSocket.OPEN) return next;
      }
      await ensure();
      if (this.#arrived.length > 0) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    throw new Error(`the client did not come back within 15 s; it said: ${client.said}`);
  }

  async play({ acknowledge: terms, moves }: Plan, ensure: () => Promise<void>): Promise<void> {
    const { ws, socket } = await this.#next(ensure);
    try {
      ws.send(JSON.stringify(terms) ?? "");
      for (const one of moves) {
        if (ws.readyState !== WebSocket.OPEN) break;
        if (one === "settle") await settle(ws);
        else if ("frame" in one) {
          if ((one.frame[0] & 0x1f) === types.REQUEST) this.#stream += 1;
          ws.send(frameBytes(one, [Math.max(0, this.#stream - 1), this.#stream]));
        } else if ("text" in one) ws.send(one.text);
        else if ("raw" in one) socket.write(one.raw, "latin1");
        else ws.close(one.close, "bye");
      }
      await settle(ws);
    } finally {
      ws.terminate();
    }
  }

  /** @throws Error unless the client serves. */
  async expectServed(ensure: () => Promise<void>): Promise<void> {
    const { ws } = await this.#next(ensure);
    let heard = Buffer.alloc(0);
    const answered = new Promise<void>((resolve) => {
      ws.on("message", (data: Buffer, isBinary: boolean) => {
        if (isBinary) heard = Buffer.concat([heard, data]);
        if (parse(heard).some(({ flags }) => (flags & 0x80) !== 0)) resolve();
      });
    });
    ws.send(JSON.stringify({ ...known, protocol: 1 }));
    ws.send(frame(types.REQUEST | 0x80, 1, "GET\n/honest/1\nHost\ndemo.test"));
    const signal = AbortSignal.timeout(10_000);
    await Promise.race([answered, once(ws, "close"), once(signal, "abort")]);
    ws.terminate();
    const said = parse(heard).filter(({ stream }) => stream === 1);
    const text = said
      .filter(({ type }) => type === types.DATA)
      .map(({ payload }) => payload.toString())
      .join("");
    if (said[0]?.payload.toString().startsWith("200\n") !== true || text !== honestAnswer("/honest/1")) {
      throw new Error(`an honest relay got ${JSON.stringify(said)}`);
    }
  }

  async close(): Promise<void> {
    this.#webSockets.close();
    for (const ws of this.#webSockets.clients) ws.terminate();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}

let service: Service;
let relay: HostileRelay;
let client: Survivor<RunningCommand>;
beforeAll(async () => {
  service = await startService();
  relay = new HostileRelay();
  const port = await relay.listen();
  // The client comes back without a pause: pauses would take most of the time.
  const env = { NODE_OPTIONS: "--import=data:text/javascript,Math.random=()=>0" };
  const args = [
    String(service.port),
    "--relay",
    `http://127.0.0.1:${port}`,
    "--json",
    "--shutdown-grace",
    "0",
  ];
  client = new Survivor(async () => runClient(args, env));
  await relay.expectServed(ensure);
});
afterAll(async () => {
  await client.close();
  await relay.close();
  await service.close();
});

/** Ended in an orderly way, failed for good, not configured for the relay's offer, refused, evicted. */
const orderly = [0, 1, 2, 3, 4];
async function ensure(): Promise<void> {
  client.check(orderly);
  await client.get();
}

describe("whatever a relay says", () => {
  it(
    "the client stays up, comes back and serves an honest one",
    async () => {
      const judge = async (plan: Plan): Promise<void> => {
        await relay.play(plan, ensure);
        await relay.expectServed(ensure);
        client.check(orderly);
      };
      await tryPlans(plans, judge, { ...runs(60), examples: knownPlans<Plan>("relays") });
    },
    fuzzTimeoutMs,
  );
});
