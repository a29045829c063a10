import { once } from "node:events";
import type { Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { startRig, visit, type Rig, type Visit } from "../../packages/client/test/relay-side.js";
import { startRawServer } from "../support/raw-server.js";
import { patientRuns, patientTimeoutMs } from "./support/patience.js";

// Several tunnels of one process share the connections to their service, whatever the service does, when
// visitors leave and while tunnels close. Each visitor gets his own answer, or none if the service has given
// none. No connection carries two requests at a time, nothing is sent more often than it may be, and at the
// end nothing is open.

const tunnelCount = 3;
const bodyText = "b".repeat(3_000);

/** What the service does with a request. After these it has answered it. */
const answers: readonly string[] = [
  ...["answers", "answers in chunks", "answers late", "answers before the body", "gives no body"],
  ...["closes after its answer", "answers until it closes", "is old", "waits for a second"],
  ...["sends an interim head", "closes when idle", "resets when idle"],
];
const failures = ["breaks off", "closes", "resets"];
/** The service closes its connections within this time of the client, in milliseconds. Idle ones have 4 s. */
const closingMs = 2_000;
const repeatable = ["GET", "PUT", "DELETE"];

interface Ask {
  readonly tunnel: number;
  readonly deed: string;
  readonly method: string;
  /** `open`: it comes in two parts, some turns of the event loop apart. */
  readonly body: "none" | "whole" | "open";
  /** After so many turns of the event loop the visitor leaves. */
  readonly leaves: number | undefined;
}

/** Requests at once. Between the first `at` of them and the others a tunnel closes, or none does. */
interface Round {
  readonly asks: readonly Ask[];
  readonly closes: { readonly tunnel: number; readonly at: number } | undefined;
}

const ask: fc.Arbitrary<Ask> = fc.record({
  tunnel: fc.nat(tunnelCount - 1),
  deed: fc.constantFrom(...answers, ...failures),
  method: fc.constantFrom("GET", "POST", "PUT", "DELETE"),
  body: fc.constantFrom("none", "none", "whole", "open"),
  leaves: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat(20) }),
});
const closes = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.record({ tunnel: fc.nat(tunnelCount - 1), at: fc.nat(6) }) },
);
const rounds: fc.Arbitrary<Round[]> = fc.array(
  fc.record({ asks: fc.array(ask, { minLength: 1, maxLength: 8 }), closes }),
  { minLength: 1, maxLength: 5 },
);

async function turns(count: number): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  for (let i = 0; i < count; i += 1) await new Promise(setImmediate);
}

/** A service that does what the path of each request says, and notes what must not be. */
class Service {
  readonly faults: string[] = [];
  readonly #open = new Set<Socket>();
  readonly #sent = new Map<string, number>();

  serve(socket: Socket): void {
    this.#open.add(socket);
    socket.on("close", () => this.#open.delete(socket));
    socket.on("end", () => socket.end());
    let received = "";
    let current: { readonly path: string; answered: boolean } | undefined;
    socket.on("data", (data: Buffer) => {
      received += data.toString("latin1");
      for (;;) {
        const end = received.indexOf("\r\n\r\n");
        if (end === -1) return;
        const [, method = "", path = ""] = /^(\S+) (\S+)/.exec(received) ?? [];
        if (current?.path !== path) {
          if (current !== undefined) this.faults.push(`${path} came on the connection of ${current.path}`);
          current = { path, answered: false };
          this.#count(method, path);
          if (path.includes("before")) answer(current);
        }
        const whole = lengthOf(received, end);
        if (whole === undefined || received.length < whole) return;
        received = received.slice(whole);
        if (!current.answered) answer(current);
        current = undefined;
      }
    });
    function answer(request: { readonly path: string; answered: boolean }): void {
      request.answered = true;
      void act(socket, request.path, () => current === undefined);
    }
  }

  /** Waits until all connections are closed. @throws Error if they are not in time. */
  async closed(): Promise<void> {
    const signal = AbortSignal.timeout(closingMs);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    for (const socket of this.#open) await once(socket, "close", { signal });
  }

  #count(method: string, path: string): void {
    const times = (this.#sent.get(path) ?? 0) + 1;
    this.#sent.set(path, times);
    if (times > (repeatable.includes(method) ? 2 : 1)) {
      this.faults.push(`${method} ${path} was sent ${times} times`);
    }
  }
}

/** Where the request ends whose head ends at `end`, if that can be told yet. */
function lengthOf(received: string, end: number): number | undefined {
  const head = received.slice(0, end);
  const [, length] = /\r\ncontent-length: (\d+)/i.exec(head) ?? [];
  if (length !== undefined) return end + 4 + Number(length);
  if (!/\r\ntransfer-encoding: chunked/i.test(head)) return end + 4;
  // Nothing in the body looks like its end.
  const last = received.indexOf("0\r\n\r\n", end);
  return last === -1 ? undefined : last + 5;
}

/** `isIdle`: no other request has come since. */
async function act(socket: Socket, path: string, isIdle: () => boolean): Promise<void> {
  const deed = decodeURIComponent(path.split("/")[2] ?? "");
  const id = `X-Id: ${path}\r\n`;
  const text = `<${path}>`;
  const plain = `HTTP/1.1 200 OK\r\n${id}Content-Length: ${text.length}\r\n\r\n${text}`;
  const say = (bytes: string): void => {
    if (socket.writable) socket.write(bytes);
  };
  switch (deed) {
    case "answers in chunks":
      say(`HTTP/1.1 200 OK\r\n${id}Transfer-Encoding: chunked\r\n\r\n`);
      await turns(2);
      say(`${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`);
      return;
    case "answers late":
      await turns(10);
      say(plain);
      return;
    case "gives no body":
      say(`HTTP/1.1 204 No Content\r\n${id}\r\n`);
      return;
    case "closes after its answer":
      say(plain.replace(id, `${id}Connection: close\r\n`));
      socket.end();
      return;
    case "answers until it closes":
      say(`HTTP/1.1 200 OK\r\n${id}Connection: close\r\n\r\n${text}`);
      await turns(2);
      socket.end();
      return;
    case "is old":
      say(`HTTP/1.0 200 OK\r\n${id}\r\n${text}`);
      socket.end();
      return;
    case "waits for a second":
      say(plain.replace(id, `${id}Keep-Alive: timeout=1\r\n`));
      return;
    case "breaks off":
      say(plain.replace(/Length: \d+/, "Length: 9000"));
      await turns(2);
      socket.end();
      return;
    case "closes":
      socket.end();
      return;
    case "resets":
      socket.resetAndDestroy();
      return;
    case "closes when idle":
      say(plain);
      await turns(3);
      if (isIdle()) socket.end();
      return;
    case "resets when idle":
      say(plain);
      await turns(3);
      if (isIdle()) socket.resetAndDestroy();
      return;
    case "sends an interim head":
      say(`HTTP/1.1 103 Early Hints\r\n${id}\r\n`);
      await turns(2);
      say(plain);
      return;
    default:
      say(plain);
  }
}

async function send(rig: Rig, path: string, { method, body, leaves }: Ask): Promise<Visit> {
  const whole = body === "whole" ? { body: Buffer.from(bodyText) } : {};
  const asked = visit(rig.relay, { method, path, ...(body === "open" ? { body } : whole) });
  if (body === "open") {
    asked.stream.write(Buffer.from(bodyText));
    await turns(3);
    if (asked.reset === undefined) asked.stream.write(Buffer.from(bodyText));
    if (asked.reset === undefined) asked.stream.end();
  }
  if (leaves !== undefined) {
    await turns(leaves);
    if (asked.trailers === undefined && asked.reset === undefined) {
      asked.stream.reset("cancelled");
      return asked;
    }
  }
  return asked.until(({ trailers, reset }) => trailers !== undefined || reset !== undefined);
}

/** The visitor has his own answer, as far as it came; all of it, if nothing kept the service from it. */
function expectOwn({ head, text, trailers, reset }: Visit, path: string, isServed: boolean): void {
  if (isServed) expect([path, reset?.message]).toEqual([path, undefined]);
  if (head === undefined) return;
  expect(head.headers[head.headers.indexOf("X-Id") + 1]).toBe(path);
  if (trailers !== undefined && head.status === 200) expect(text).toBe(`<${path}>`);
  else expect(`<${path}>`.startsWith(text)).toBe(true);
}

/** The request gets its answer, even if it meets the close of an idle connection. */
function isServed({ tunnel, deed, method, body, leaves }: Ask, closing: number | undefined): boolean {
  const isRepeated = repeatable.includes(method) && body !== "open";
  return isRepeated && answers.includes(deed) && leaves === undefined && tunnel !== closing;
}

describe("tunnels of one process to the same service", () => {
  it(
    "give each visitor his own answer or none, and leave nothing open",
    async () => {
      await fc.assert(
        fc.asyncProperty(rounds, async (plan) => {
          const service = new Service();
          const server = await startRawServer((socket) => service.serve(socket));
          const start = (): Rig => startRig({ port: server.port });
          const rigs = Array.from({ length: tunnelCount }, start);
          let count = 0;
          for (const { asks, closes: closing } of plan) {
            let closed: Promise<void> | undefined;
            const visits = asks.map(async (one, i) => {
              if (i === closing?.at) closed = rigs[closing.tunnel]?.service.close();
              const path = `/${(count += 1)}/${encodeURIComponent(one.deed)}`;
              expectOwn(await send(rigs[one.tunnel] as Rig, path, one), path, isServed(one, closing?.tunnel));
            });
            // oxlint-disable-next-line no-await-in-loop -- one round after the other
            await Promise.all([...visits, closed]);
            if (closing !== undefined) {
              // oxlint-disable-next-line no-await-in-loop -- the same
              await rigs[closing.tunnel]?.close();
              rigs[closing.tunnel] = start();
            }
          }
          await Promise.all(rigs.map((rig) => rig.close()));
          await turns(20);
          await service.closed();
          expect(rigs.map((rig) => rig.service.open)).toEqual(rigs.map(() => 0));
          expect(rigs.flatMap(({ faults }) => faults)).toEqual([]);
          expect(service.faults).toEqual([]);
          await server.close();
        }),
        patientRuns<[Round[]]>(150),
      );
    },
    patientTimeoutMs,
  );
});
