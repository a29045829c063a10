import { once } from "node:events";
import { connect, type Socket } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, it } from "vitest";
import { WebSocket } from "ws";
import { fuzzTimeoutMs, runs } from "../../packages/protocol/test/support/fuzz.js";
import { parse, types } from "../../packages/protocol/test/support/wire.js";
import {
  body,
  bytes,
  fields,
  type FrameMove,
  frames,
  method,
  status,
  target,
} from "./support/arbitraries.js";
import { frameBytes } from "./support/frames.js";
import { tryPlans } from "./support/patience.js";
import { FuzzedTunnel } from "./support/relay.js";
import { settle } from "./support/settle.js";
import { type Service, startService } from "./support/service.js";
import { knownPlans } from "./support/vectors.js";

// Clients that send anything at all to the relay command, while visitors ask for their tunnel. The relay
// stays up and reports no fault, and the visitors of another tunnel get their answers.

/** Plain data, so that a finding can be kept in test/vectors/hostile-peers.json. */
type Move =
  | FrameMove
  /** A text message. `$1` is the id of the newest request, `$2` the id of the one before. */
  | { text: string }
  /** Bytes on the connection, below the WebSocket. */
  | { raw: string }
  /** A visitor of the tunnel sends this. */
  | { visit: string }
  /** The newest visitor is gone. */
  | "leave"
  /** Waits until the relay has taken in the messages so far. */
  | "settle"
  /**
   * Loses the connection and resumes over another one, having received so many bytes (-1: as many as it has
   * received).
   */
  | { resume: number }
  | { close: number };
interface Plan {
  register: unknown;
  moves: Move[];
}

const json = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.string({ maxLength: 20 }));
const register = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constant({ token: "t", subdomain: "evil", protocol: [1], instance: "0123456789abcdef" }),
  },
  { weight: 4, arbitrary: fc.constant({ token: "t", subdomain: "evil" }) },
  {
    weight: 2,
    arbitrary: fc.record(
      {
        token: fc.oneof(fc.constant("t"), json),
        subdomain: fc.oneof(fc.constantFrom("evil", "EVIL", "www", "-", "a.b", "x".repeat(64), ""), json),
        protocol: fc.oneof(fc.constantFrom([1], [1, 2], [0]), json),
        window: fc.oneof(fc.constantFrom(16_384, 0, 0x7fffffff, 1e300), json),
        instance: fc.oneof(fc.constant("0123456789abcdef"), json),
        client: fc.oneof(fc.constant({ name: "\u001b[31m", version: "1\r\n" }), json),
        returning: fc.oneof(fc.boolean(), json),
        resume: fc.oneof(fc.constant({ session: "x", secret: "0123456789abcdef", received: 5 }), json),
      },
      { requiredKeys: ["token"] },
    ),
  },
);

const visit = fc.tuple(method, target, fields, body).map(([verb, path, pairs, text]) => {
  const lines = pairs.filter(([name]) => name !== "Host").map(([name, value]) => `${name}: ${value}\r\n`);
  return { visit: `${verb} ${path} HTTP/1.1\r\nHost: evil.localhost\r\n${lines.join("")}\r\n${text}` };
});
const simpleVisit = fc
  .tuple(
    fc.constantFrom("GET /", "HEAD /", "POST /"),
    fc.constantFrom("", "Content-Length: 5\r\n", "Connection: Upgrade\r\nUpgrade: x\r\n"),
    fc.constantFrom("", "hello"),
  )
  .map(([start, lines, text]) => ({
    visit: `${start} HTTP/1.1\r\nHost: evil.localhost\r\n${lines}\r\n${text}`,
  }));

/** A complete response in frames. */
const answer = fc
  .tuple(status, fields, fc.oneof(bytes(20), fc.constant(70_000)))
  .map(([code, pairs, content]): Move[] => [
    { frame: [types.RESPONSE, -1, [code, ...pairs.flat()].join("\n")] },
    { frame: [types.DATA | 0x80, -1, content] },
  ]);
const jsonAnswer = fc
  .tuple(
    fc.constantFrom(undefined, "response_head", "response_chunk", "response_error", "cancel", "request"),
    fc.oneof(fc.constantFrom<unknown>(200, 204, 101, 99), json),
    fc.oneof(
      fields.map((pairs) => Object.fromEntries(pairs) as unknown),
      json,
    ),
    fc.oneof(fc.constantFrom<unknown>("aGk=", "#", null), json),
    fc.oneof(fc.boolean(), json),
    fc.constantFrom("$1", "$2", "unknown"),
  )
  .map(([kind, code, headers, data, last, id]): Move[] => [
    { text: JSON.stringify({ kind, id, status: code, headers, body: data, data, last, message: data }) },
  ]);

const move = fc.oneof(
  { weight: 3, arbitrary: simpleVisit.map((one): Move[] => [one, "settle"]) },
  { weight: 1, arbitrary: visit.map((one): Move[] => [one, "settle"]) },
  { weight: 4, arbitrary: answer },
  { weight: 3, arbitrary: jsonAnswer },
  {
    weight: 8,
    arbitrary: frames({ 1: 1, 2: 1, 3: 2, 4: 3, 5: 6, 6: 2, 7: 2, 8: 3, 9: 1, 10: 1 }).map((one): Move[] => [
      one,
    ]),
  },
  { weight: 1, arbitrary: json.map((value): Move[] => [{ text: JSON.stringify(value) ?? "" }]) },
  { weight: 1, arbitrary: bytes(40).map((raw): Move[] => [{ raw }]) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Move[]>(["settle"], ["leave"], [{ close: 1000 }], [{ close: 4999 }]),
  },
  { weight: 1, arbitrary: fc.constantFrom(-1, 0, 1, 1_000, 1e15).map((resume): Move[] => [{ resume }]) },
);
const plans: fc.Arbitrary<Plan> = fc.record({
  register,
  moves: fc
    .tuple(simpleVisit, fc.array(move, { maxLength: 14, size: "max" }))
    .map(([first, moves]) => [first, "settle" as const, ...moves.flat()]),
});

/** The hostile client and the visitors of its tunnel. */
class Attack {
  readonly #port: number;
  readonly #visitors: Socket[] = [];
  #ws: WebSocket | undefined;
  #socket: Socket | undefined;
  /** The requests that came, by their stream or their id. */
  readonly #streams: number[] = [];
  readonly #ids: string[] = [];
  #heard = Buffer.alloc(0);
  #received = 0;
  #session: { id: string; secret: string } | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  async play({ register: message, moves }: Plan): Promise<void> {
    try {
      await this.#connect(message);
      for (const one of moves) await this.#play(one);
      await settle(this.#ws as WebSocket);
    } finally {
      this.#ws?.terminate();
      for (const visitor of this.#visitors) visitor.destroy();
    }
  }

  async #connect(message: unknown): Promise<void> {
    const ws = new WebSocket(`ws://127.0.0.1:${this.#port}/_tunnel/register`, { perMessageDeflate: false });
    this.#ws = ws;
    this.#heard = Buffer.alloc(0);
    ws.on("error", () => {});
    ws.on("message", (data: Buffer, isBinary) => this.#hear(data, isBinary));
    const [[response]] = (await Promise.all([once(ws, "upgrade"), once(ws, "open")])) as [
      [{ socket: Socket }],
      unknown,
    ];
    this.#socket = response.socket;
    ws.send(JSON.stringify(message) ?? "");
    await settle(ws);
  }

  #hear(data: Buffer, isBinary: boolean): void {
    if (!isBinary) {
      const message = JSON.parse(data.toString()) as {
        id?: string;
        session?: { id: string; secret: string };
      };
      if (message.id !== undefined) this.#ids.push(message.id);
      if (message.session !== undefined) this.#session = message.session;
      return;
    }
    this.#heard = Buffer.concat([this.#heard, data]);
    let read = 0;
    for (const { type, stream, payload } of parse(this.#heard)) {
      read += 8 + payload.length;
      if (type !== types.ACK) this.#received += 8 + payload.length;
      if (type === types.REQUEST) this.#streams.push(stream);
    }
    this.#heard = this.#heard.subarray(read);
  }

  async #play(one: Move): Promise<void> {
    const ws = this.#ws as WebSocket;
    const isOpen = ws.readyState === WebSocket.OPEN;
    if (one === "settle") await settle(this.#ws as WebSocket);
    else if (one === "leave") this.#visitors.at(-1)?.destroy();
    else if ("visit" in one) this.#visit(one.visit);
    else if ("resume" in one) await this.#resume(one.resume);
    else if (!isOpen) return;
    else if ("frame" in one) ws.send(frameBytes(one, this.#streams));
    else if ("text" in one) {
      ws.send(one.text.replaceAll(/\$([12])/g, (_, nth) => this.#ids.at(-Number(nth)) ?? "none"));
    } else if ("raw" in one) this.#socket?.write(one.raw, "latin1");
    else ws.close(one.close, "bye");
  }

  #visit(text: string): void {
    const socket = connect({ port: this.#port, host: "127.0.0.1" });
    socket.on("error", () => {});
    socket.on("data", () => {});
    socket.write(text, "latin1");
    this.#visitors.push(socket);
  }

  async #resume(received: number): Promise<void> {
    if (this.#session === undefined) return;
    this.#ws?.terminate();
    const resume = {
      ...this.#session,
      session: this.#session.id,
      received: received < 0 ? this.#received : received,
    };
    await this.#connect({
      token: "t",
      subdomain: "evil",
      protocol: [1],
      instance: "0123456789abcdef",
      resume,
    });
  }
}

let service: Service;
let tunnel: FuzzedTunnel;
beforeAll(async () => {
  service = await startService();
  tunnel = new FuzzedTunnel(service.port);
  await tunnel.ready();
});
afterAll(async () => {
  await tunnel.close();
  await service.close();
});

describe("whatever a client says", () => {
  it(
    "the relay stays up, and other tunnels serve",
    async () => {
      const judge = async (plan: Plan): Promise<void> => {
        const port = await tunnel.ready();
        await new Attack(port).play(plan);
        await tunnel.expectWell();
      };
      await tryPlans(plans, judge, { ...runs(60), examples: knownPlans<Plan>("clients") });
      await tunnel.expectNothingLeft();
    },
    fuzzTimeoutMs,
  );
});
