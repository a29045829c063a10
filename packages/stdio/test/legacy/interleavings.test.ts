import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventReader } from "../support/events.js";
import { Bench, call, notification, type Visitor } from "./visitor.js";

const clients = 20;

/** Ids and tokens are the same in all sessions, so that whatever crosses over is taken for one's own. */
const slots = [0, 1, 2];

/** A stream of one client: what was sent on it by the server, and what its visitor has read. */
class Watched {
  readonly expected: string[] = [];
  readonly got: string[] = [];
  readonly #visitor: Visitor;
  #reader: EventReader | undefined;
  #lastEventId: string;

  constructor(visitor: Visitor, id: string, reader?: EventReader) {
    this.#visitor = visitor;
    this.#reader = reader;
    this.#lastEventId = `${id}-0`;
  }

  get isConnected(): boolean {
    return this.#reader !== undefined;
  }

  /** Reads messages that are there: no more than have been sent. */
  async read(count: number): Promise<void> {
    for (let left = count; left > 0 && this.#reader !== undefined; left--) {
      if (this.got.length === this.expected.length) return;
      const event = await this.#reader.next();
      if (event === undefined) return;
      this.got.push(event.data);
    }
  }

  async drop(): Promise<void> {
    const reader = this.#reader;
    if (reader === undefined) return;
    this.#lastEventId = reader.lastEventId ?? this.#lastEventId;
    this.#reader = undefined;
    await reader.leave();
  }

  /**
   * Comes back, whether or not the old connection is gone: the link may be cut without the bridge's knowing.
   */
  async resume(): Promise<void> {
    this.#lastEventId = this.#reader?.lastEventId ?? this.#lastEventId;
    const response = await this.#visitor.resume(this.#lastEventId);
    if (response.status === 204) this.#reader = undefined;
    else this.#reader = new EventReader(response);
  }

  /** Reads to the end of the stream. */
  async finish(): Promise<void> {
    await this.resume();
    if (this.#reader !== undefined) this.got.push(...(await this.#reader.rest()));
  }
}

interface PendingCall {
  readonly watched: Watched;
  readonly id: number;
}

/** One client, its server, and what has to become of everything that the server says. */
class Client {
  readonly visitor: Visitor;
  readonly name: number;
  /** By slot: its id and token are used again once it is answered. */
  readonly pending = new Map<number, PendingCall>();
  readonly calls: Watched[] = [];
  readonly get: Watched;
  #said = 0;
  /** Messages that wait for the GET stream. */
  #queued: string[] = [];

  constructor(visitor: Visitor, name: number) {
    this.visitor = visitor;
    this.name = name;
    this.get = new Watched(visitor, "0");
  }

  async call(slot: number): Promise<void> {
    if (this.pending.has(slot)) return;
    const response = await this.visitor.post(call(slot, `token ${slot}`));
    // Stream 0 is the GET stream.
    const watched = new Watched(
      this.visitor,
      (this.calls.length + 1).toString(36),
      new EventReader(response),
    );
    this.calls.push(watched);
    this.pending.set(slot, { watched, id: slot });
  }

  progress(slot: number): void {
    const of = this.pending.get(slot);
    if (of === undefined) return;
    this.#say(
      notification("notifications/progress", { progressToken: `token ${slot}`, progress: this.#next }),
      of.watched,
    );
  }

  result(slot: number): void {
    const of = this.pending.get(slot);
    if (of === undefined) return;
    this.#say({ jsonrpc: "2.0", id: of.id, result: { of: this.#next } }, of.watched);
    this.pending.delete(slot);
  }

  log(): void {
    this.#say(notification("notifications/message", { data: this.#next }), this.#only ?? this.#open);
  }

  ask(): void {
    const pending = [...this.pending.values()].map(({ watched }) => watched);
    const newest = pending.findLast(({ isConnected }) => isConnected) ?? pending.at(-1);
    const request = { jsonrpc: "2.0", id: `server ${this.#said}`, method: "roots/list", at: this.#next };
    this.#say(request, this.#only ?? this.#open ?? newest);
  }

  async openGet(): Promise<void> {
    await this.get.resume();
    this.get.expected.push(...this.#queued.splice(0));
  }

  /** Ends all that is still going on, and reads what is left. */
  async finish(): Promise<void> {
    for (const slot of slots) this.result(slot);
    for (const watched of this.calls) await watched.finish();
    await this.openGet();
    await this.get.read(Number.POSITIVE_INFINITY);
    await this.get.drop();
  }

  get #only(): Watched | undefined {
    const [first, another] = this.pending.values();
    return another === undefined ? first?.watched : undefined;
  }

  get #open(): Watched | undefined {
    return this.get.isConnected ? this.get : undefined;
  }

  get #next(): string {
    return `client ${this.name}, message ${this.#said}`;
  }

  #say(message: object, to: Watched | undefined): void {
    this.#said++;
    const text = JSON.stringify(message);
    (to?.expected ?? this.#queued).push(text);
    this.visitor.server.say(text);
  }
}

const slot = fc.constantFrom(...slots);

/** What may happen next to one client. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("call" as const), slot }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant("progress" as const), slot }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("result" as const), slot }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom("log" as const, "ask" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constantFrom("read" as const, "drop" as const, "resume" as const),
      stream: fc.nat(9),
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constantFrom("open GET" as const, "drop GET" as const, "read GET" as const),
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
);

async function take(
  client: Client,
  todo: typeof step extends fc.Arbitrary<infer Step> ? Step : never,
): Promise<void> {
  switch (todo.type) {
    case "call":
      return client.call(todo.slot);
    case "progress":
      return client.progress(todo.slot);
    case "result":
      return client.result(todo.slot);
    case "log":
      return client.log();
    case "ask":
      return client.ask();
    case "read":
      return client.calls.at(-1 - todo.stream)?.read(todo.count);
    case "drop":
      return client.calls.at(-1 - todo.stream)?.drop();
    case "resume":
      return client.calls.at(-1 - todo.stream)?.resume();
    case "open GET":
      return client.openGet();
    case "drop GET":
      return client.get.drop();
    case "read GET":
      return client.get.read(todo.count);
  }
}

describe("twenty clients at once", () => {
  it("each get every message of theirs on its stream, once and in order, and none of another's", async () => {
    const steps = fc.array(fc.tuple(fc.nat(clients - 1), step), { minLength: 200, maxLength: 1_500 });
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const bench = new Bench();
        try {
          const each: Client[] = [];
          for (let name = 0; name < clients; name++) each.push(new Client(await bench.visitor(), name));
          for (const [name, todo] of all) await take(each.at(name)!, todo);
          for (const client of each) await client.finish();
          for (const client of each) {
            for (const watched of [client.get, ...client.calls])
              expect(watched.got).toEqual(watched.expected);
          }
        } finally {
          await bench.close();
        }
      }),
      // A message that never comes is waited for.
      { numRuns: 40, timeout: 20_000, interruptAfterTimeLimit: 60_000 },
    );
  }, 120_000);
});
