import { once } from "node:events";
import { connect, type Socket } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, it } from "vitest";
import { fuzzTimeoutMs, runs } from "../../packages/protocol/test/support/fuzz.js";
import { type RawServer, startRawServer } from "../support/raw-server.js";
import { body, bytes, damaged, fields, head, status } from "./support/arbitraries.js";
import { tryPlans } from "./support/patience.js";
import { FuzzedTunnel } from "./support/relay.js";
import { honestAnswer } from "./support/survivor.js";
import { knownPlans } from "./support/vectors.js";

// A local service that sends anything at all to the client command, behind a relay command. Relay and client
// stay up and report no fault. The visitor who asked does not wait for ever, and the next visitor gets his
// answer and nothing else.

/** Plain data, so that a finding can be kept in test/vectors/hostile-peers.json. */
interface Plan {
  /** The bytes that the visitor sends. */
  request: string;
  /** The event after which the service answers. */
  after: "connection" | "request";
  /** The answer, in so many pieces, with a turn of the loop between them. */
  says: string[];
  ends: "in order" | "by a reset";
}

const request = fc
  .tuple(
    fc.constantFrom("GET", "GET", "HEAD", "POST", "OPTIONS"),
    fc.constantFrom(
      "",
      "Content-Length: 5\r\n",
      "Expect: 100-continue\r\nContent-Length: 5\r\n",
      "Upgrade: websocket\r\n",
      "Transfer-Encoding: chunked\r\n",
      "Transfer-Encoding: chunked\r\nTrailer: X-T\r\n",
    ),
    fc.constantFrom(
      "",
      "hello",
      "5\r\nhello\r\n0\r\n\r\n",
      "5\r\nhello\r\n0\r\nX-T: v\r\n\r\n",
      "b".repeat(70_000),
    ),
  )
  .map(([verb, lines, text]) => {
    const connection = lines.startsWith("Upgrade") ? "Upgrade" : "close";
    return `${verb} /hostile HTTP/1.1\r\nHost: demo.localhost\r\nConnection: ${connection}\r\n${lines}\r\n${text}`;
  });
const statusLine = fc
  .tuple(
    fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2", "ICY", ""),
    status,
    fc.oneof(fc.constantFrom("OK", ""), bytes(10)),
  )
  .map((parts) => parts.join(" "));
const answer = fc.oneof(
  { weight: 2, arbitrary: fc.tuple(head(statusLine, fields), body).map((parts) => parts.join("")) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(status, bytes(300))
      .map(([code, text]) => `HTTP/1.1 ${code} X\r\nContent-Length: ${text.length}\r\n\r\n${text}`),
  },
);
const plans: fc.Arbitrary<Plan> = fc.record({
  request,
  after: fc.constantFrom("request", "request", "request", "connection"),
  says: fc
    .tuple(
      fc.array(fc.oneof({ weight: 9, arbitrary: damaged(answer) }, { weight: 1, arbitrary: bytes(100) }), {
        maxLength: 3,
      }),
      fc.array(fc.nat(400), { maxLength: 2 }),
    )
    .map(([answers, places]) => cut(answers.join(""), places)),
  ends: fc.constantFrom("in order", "in order", "by a reset"),
});

function cut(text: string, places: number[]): string[] {
  const at = [0, ...places.toSorted((a, b) => a - b), text.length];
  return at
    .slice(1)
    .map((end, i) => text.slice(at[i], end))
    .filter((piece) => piece !== "");
}

let current: Plan | undefined;
async function attack(socket: Socket, { says, ends }: Plan): Promise<void> {
  for (const piece of says) {
    if (!socket.writable) return;
    socket.write(piece, "latin1");
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (ends === "in order") socket.end();
  else if (!socket.destroyed) socket.resetAndDestroy();
}

/**
 * Honest to visitors who ask for /honest/N on a connection of their own. All others get the bytes of the
 * plan.
 */
function serve(socket: Socket): void {
  const plan = current;
  if (plan?.after === "connection") {
    socket.resume();
    void attack(socket, plan);
    return;
  }
  let received = "";
  let begun = false;
  socket.on("data", (chunk: Buffer) => {
    if (begun) return;
    received += chunk.toString("latin1");
    if (!received.includes("\r\n\r\n")) return;
    begun = true;
    const [, path] = /^GET (\/honest\/\d+) /.exec(received) ?? [];
    if (path === undefined && plan !== undefined) void attack(socket, plan);
    else {
      const text = honestAnswer(path ?? "");
      socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
    }
  });
  socket.on("end", () => socket.end());
}

/**
 * A visitor who leaves when the relay ends his connection. Visitors who upgrade, or owe a part of their body,
 * leave by themselves.
 */
async function visit(port: number, request: string): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.on("data", () => {});
  socket.write(request, "latin1");
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const owes =
    /Content-Length: 5\r\n\r\n$|\r\n\r\n5\r\nhello|chunked\r\n(Trailer: X-T\r\n)?\r\n($|hello|b)/.test(
      request,
    );
  if (owes || request.includes("Upgrade:")) socket.end();
  const signal = AbortSignal.timeout(10_000);
  await Promise.race([closed, once(signal, "abort")]);
  if (signal.aborted) {
    socket.destroy();
    throw new Error("the visitor was left waiting for 10 s");
  }
}

let service: RawServer;
let tunnel: FuzzedTunnel;
beforeAll(async () => {
  service = await startRawServer(serve);
  tunnel = new FuzzedTunnel(service.port);
  await tunnel.ready();
});
afterAll(async () => {
  await tunnel.close();
  await service.close();
});

describe("whatever the local service says", () => {
  it(
    "the client and the relay stay up, and the next visitor gets his own answer",
    async () => {
      const judge = async (plan: Plan): Promise<void> => {
        const port = await tunnel.ready();
        current = plan;
        await visit(port, plan.request).finally(() => {
          current = undefined;
        });
        await tunnel.expectWell();
      };
      await tryPlans(plans, judge, { ...runs(80), examples: knownPlans<Plan>("services") });
      await tunnel.expectNothingLeft();
    },
    fuzzTimeoutMs,
  );
});
