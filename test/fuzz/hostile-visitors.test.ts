import { once } from "node:events";
import { connect, type Socket } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, it } from "vitest";
import { fuzzTimeoutMs, runs } from "../../packages/protocol/test/support/fuzz.js";
import { body, bytes, damaged, fields, head, method, target } from "./support/arbitraries.js";
import { tryPlans } from "./support/patience.js";
import { FuzzedTunnel } from "./support/relay.js";
import { type Service, startService } from "./support/service.js";
import { knownPlans } from "./support/vectors.js";

// Visitors who send anything at all to the relay command, with a client command and a service behind it.
// Relay and client stay up and report no fault, and the next visitor gets his answer.

/**
 * The events on one connection. Plain data, so that a finding can be kept in test/vectors/hostile-peers.json.
 */
type Move =
  | { say: string }
  /** Waits a moment for an answer. */
  | "listen"
  /** Ends its direction and listens on. */
  | "end"
  /** Ends the connection at once. */
  | "reset"
  /** Reads nothing more. */
  | "deaf";
type Plan = Move[][];

const hostFields = fc.oneof(
  { weight: 8, arbitrary: fc.constant<[string, string][]>([["Host", "demo.localhost"]]) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<[string, string][]>(
      [],
      [["Host", "nobody.localhost"]],
      [["Host", "localhost"]],
      [["Host", "[::1]:80"]],
    ),
  },
);
const upgrade: [string, string][] = [
  ["Connection", "Upgrade"],
  ["Upgrade", "websocket"],
  ["Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="],
  ["Sec-WebSocket-Version", "13"],
];
const also = fc
  .tuple(
    hostFields,
    fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.constant(upgrade) }),
    fields,
  )
  .map((parts) => parts.flat());
const requestLine = fc
  .tuple(
    method,
    target,
    fc.oneof(
      { weight: 15, arbitrary: fc.constant("HTTP/1.1") },
      { weight: 3, arbitrary: fc.constantFrom("HTTP/1.0", "HTTP/2.0", "HTTP/1.11", "") },
    ),
  )
  .map((parts) => parts.join(" "));
const framings: fc.Arbitrary<[lines: [string, string][], content: string]> = fc.constantFrom(
  [[], ""],
  [[["Content-Length", "5"]], "hello"],
  [[["Transfer-Encoding", "chunked"]], "5\r\nhello\r\n0\r\n\r\n"],
  [[["Content-Length", "300000"]], "b".repeat(300_000)],
);
const framed = framings.chain(([lines, content]) =>
  head(
    requestLine,
    also.map((pairs) => [...pairs, ...lines]),
  ).map((text) => text + content),
);
const request = fc.oneof(
  { weight: 2, arbitrary: framed },
  { weight: 1, arbitrary: fc.tuple(head(requestLine, also), body).map((parts) => parts.join("")) },
);
const speech = fc.oneof(
  { weight: 12, arbitrary: damaged(request) },
  { weight: 1, arbitrary: bytes(100) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01",
      "\r\n\r\n\r\n",
    ),
  },
);
const said = fc
  .tuple(speech, fc.option(fc.nat(200), { freq: 2 }))
  .map(([text, at]): Move[] =>
    at === null ? [{ say: text }] : [{ say: text.slice(0, at) }, "listen", { say: text.slice(at) }],
  );
const connection = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: said },
      { weight: 2, arbitrary: fc.constant<Move[]>(["listen"]) },
      { weight: 1, arbitrary: fc.constantFrom<Move[]>(["end"], ["reset"], ["deaf"]) },
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((moves) => moves.flat());
const plans: fc.Arbitrary<Plan> = fc.array(connection, { minLength: 1, maxLength: 3 });

async function play(port: number, moves: Move[]): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.on("data", () => {});
  for (const move of moves) {
    if (socket.destroyed) return;
    if (move === "listen") await answer(socket);
    else if (move === "end") socket.end();
    else if (move === "reset") socket.resetAndDestroy();
    else if (move === "deaf") socket.pause();
    else if (socket.writable) socket.write(move.say, "latin1");
  }
  await answer(socket);
  socket.destroy();
}

/**
 * Waits for the next bytes of an answer, for the end, or for 15 ms without either: the relay may rightly wait
 * for more.
 */
async function answer(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  const signal = AbortSignal.timeout(15);
  const heard = (event: string): Promise<unknown> => once(socket, event, { signal }).catch(() => {});
  await Promise.race([heard("data"), heard("close")]);
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

describe("whatever visitors say", () => {
  it(
    "the relay and the client stay up and serve the next one",
    async () => {
      const judge = async (plan: Plan): Promise<void> => {
        const port = await tunnel.ready();
        await Promise.all(plan.map((moves) => play(port, moves)));
        await tunnel.expectWell();
      };
      await tryPlans(plans, judge, { ...runs(60), examples: knownPlans<Plan>("visitors") });
      await tunnel.expectNothingLeft();
    },
    fuzzTimeoutMs,
  );
});
