import fc from "fast-check";
import type { ExchangeObserver } from "mcp-tunnel-client";
import { expect, it } from "vitest";
import type { Captured } from "../src/captured.js";
import { Body } from "../src/capture/body.js";
import { entryBytes, eventCost, fieldsCost, stringBytes } from "../src/capture/costs.js";
import type { Entry } from "../src/capture/entry.js";
import { StreamEvents } from "../src/capture/stream-events.js";
import {
  eventStream,
  jsonAnswer,
  lend,
  Recording,
  report,
  requestHead,
  responseHead,
  textFrame,
  webSocket,
} from "./support/exchange.js";

/** An exchange of the test, and what it has told of it. */
interface Open {
  readonly entry: Captured;
  readonly observer: Required<ExchangeObserver>;
  grown: number;
}

type Step = (recording: Recording, exchange: Open | undefined) => void;

const sizes = fc.oneof(fc.nat(50), fc.nat(5_000), fc.nat(120_000));
const chunks = fc.oneof(
  sizes.map((size) => Buffer.alloc(size, 0x61)),
  fc.nat(60_000).map((size) => textFrame("x".repeat(size))),
  fc
    .tuple(sizes, fc.boolean())
    .map(([size, ends]) => Buffer.from(`data: é😀${"x".repeat(size)}${ends ? "\n\n" : ""}`)),
  fc.constant(Buffer.from(": k\n\nid: 1\nevent: e\ndata: a\ndata: b\n\n".repeat(20))),
);
const fields = fc.array(fc.string({ maxLength: 300 }), { maxLength: 10 });

/** Steps that any exchange may take at any time. */
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: chunks.map(
      (chunk): Step =>
        (_, open) =>
          lend((lent) => open?.observer.onData(lent), chunk),
    ),
  },
  {
    weight: 4,
    arbitrary: chunks.map(
      (chunk): Step =>
        (_, open) =>
          lend((lent) => open?.observer.onRequestData(lent), chunk),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(eventStream, jsonAnswer, webSocket, responseHead(204)).map(
      (head): Step =>
        (_, open) =>
          open?.observer.onHead(head, false),
    ),
  },
  fields.map(
    (given): Step =>
      (_, open) =>
        open?.observer.onRequestEnd(given),
  ),
  fields.map(
    (given): Step =>
      (_, open) =>
        open?.observer.onEnd(given),
  ),
  fields.map(
    (given): Step =>
      (_, open) =>
        open?.observer.onInterim(responseHead(103, ...given)),
  ),
  fc.constant<Step>((_, open) => open?.observer.onOver(report())),
  fc.constant<Step>((_, open) =>
    open?.observer.onOver(report({ error: { code: "internal", message: "why".repeat(100) } })),
  ),
  fc.nat(200_000).map(
    (bytes): Step =>
      (_, open) => {
        if (open === undefined) return;
        open.entry.grow(bytes);
        open.grown += bytes;
      },
  ),
  fields.map(
    (headers): Step =>
      (recording) => {
        recording.recorder.passed(recording.tunnel, recording.streamId, requestHead({ headers }));
      },
  ),
  fc.constant<Step>((recording) => {
    recording.recorder.refused({
      code: "other",
      status: 502,
      count: 1,
      method: "GET",
      path: "/x",
      limit: undefined,
      message: "",
    });
  }),
  { weight: 1, arbitrary: fc.constant<Step>((recording) => recording.recorder.clear()) },
);

const headCost = (head: { method: string; path: string; headers: string[] }): number =>
  2 * stringBytes + head.method.length + head.path.length + fieldsCost(head.headers);

const sum = (costs: readonly number[]): number => costs.reduce((all, cost) => all + cost, 0);

/** What is kept of an entry, counted from what can be seen of it. */
function recount(entry: Captured, grown: number): number {
  const bodies = [entry.requestBody, entry.responseBody].filter((body) => body instanceof Body);
  for (const { held, kept } of bodies) expect(held).toBeGreaterThanOrEqual(kept);
  const events = entry.events instanceof StreamEvents ? entry.events : undefined;
  const pending = events === undefined ? 0 : events.held - sum(events.kept.map(eventCost));
  expect(pending).toBeGreaterThanOrEqual(0);
  const message = entry.over?.error?.message;
  return sum([
    entryBytes + headCost(entry.head) + grown + pending,
    entry.serviceHead === undefined ? 0 : headCost(entry.serviceHead),
    ...entry.interim.map(({ head }) => fieldsCost(head.headers)),
    fieldsCost(entry.response?.headers ?? []),
    fieldsCost(entry.requestTrailers),
    fieldsCost(entry.responseTrailers),
    ...bodies.map(({ held }) => held),
    ...(entry.events?.kept ?? []).map(eventCost),
    (entry as Entry).socket?.held ?? 0,
    message === undefined ? 0 : stringBytes + message.length,
  ]);
}

it("counts exactly what it keeps, and never keeps more than its bounds, whatever happens in whatever order", () => {
  const run = fc.array(
    fc.tuple(
      fc.nat(11),
      fc.oneof({ weight: 3, arbitrary: fc.constant("begin" as const) }, { weight: 9, arbitrary: steps }),
    ),
    { maxLength: 120 },
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 3_000, max: 700_000 }),
      fc.integer({ min: 1, max: 8 }),
      run,
      (maxBytes, maxExchanges, given) => {
        const recording = new Recording({ maxBytes, maxExchanges });
        const { ring } = recording.recorder;
        const exchanges: Open[] = [];
        for (const [which, step] of given) {
          const open = exchanges.at(-1 - which);
          if (step === "begin") {
            const observer = recording.observe({
              path: `/${exchanges.length}`,
            }) as Required<ExchangeObserver>;
            exchanges.push({ entry: observer as unknown as Captured, observer, grown: 0 });
          } else {
            // What has left the ring is not grown any more.
            const wasThere = open !== undefined && ring.find(open.entry.id) === open.entry;
            const grown = open?.grown ?? 0;
            step(recording, open);
            if (!wasThere && open !== undefined) open.grown = grown;
          }
          const entries = recording.entries;
          const told = new Set<string>();
          for (const line of recording.told) {
            const [what, id] = line.split(" ") as [string, string];
            if (what === "begun") told.add(id);
            else {
              // Nothing is told of an entry before it has begun, or after it has gone.
              expect(told).toContain(id);
              if (what === "gone") told.delete(id);
            }
          }
          expect(entries.map(({ id }) => String(id))).toEqual([...told]);
          const counted = entries.map((entry) =>
            recount(entry, exchanges.find((other) => other.entry === entry)?.grown ?? 0),
          );
          expect(entries.map((entry) => (entry as Entry).cost)).toEqual(counted);
          expect(ring.bytes).toBe(sum(counted));
          expect(ring.bytes).toBeLessThanOrEqual(maxBytes);
          expect(ring.size).toBeLessThanOrEqual(maxExchanges);
        }
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);

it("gives 500 event streams, and what they have not finished, no more than the ring has", () => {
  const recording = new Recording();
  const { ring } = recording.recorder;
  const streams = Array.from({ length: 500 }, () => recording.begin());
  for (const { observer } of streams) observer.onHead(eventStream, false);
  for (let round = 0; round < 3; round++) {
    for (const { observer } of streams) {
      lend((chunk) => observer.onData(chunk), `data: ${"x".repeat(100)}\n\n`.repeat(round));
      lend((chunk) => observer.onData(chunk), `data: ${"y".repeat(60_000)}`);
      expect(ring.bytes).toBeLessThanOrEqual(ring.maxBytes);
    }
  }
  const kept = streams.filter(({ entry }) => ring.find(entry.id) === entry);
  expect(kept.length).toBeGreaterThan(200);
  expect(kept.every(({ entry }) => entry.events!.kept.length > 0)).toBe(true);
  expect(streams.at(0)!.entry.events).toBeUndefined();
});
