import { setImmediate as nextTurn } from "node:timers/promises";
import * as fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { AcceptedStream, RawHeaders, RequestHead } from "mcp-tunnel-protocol";
import { JsonClientSession, JsonRelaySession } from "mcp-tunnel-protocol/sessions";
import { linkedPair } from "mcp-tunnel-protocol/testing";
import { fuzzTimeoutMs, runs } from "./support/fuzz.js";
import { clientAndRawRelay, get, Owner, Recorder, relayAndRawClient } from "./json-peer.js";

afterEach(() => {
  vi.useRealTimers();
});

const quiet = { liveness: { pingIntervalMs: 0 } };

/** Answers with the request's head in header fields and its body as it came. */
function echo(stream: AcceptedStream, head: RequestHead): Recorder {
  const recorder = new Recorder();
  recorder.onData = (chunk) => {
    recorder.chunks.push(chunk);
    stream.consumed(chunk.length);
  };
  recorder.onEnd = () => {
    stream.sendHead({
      status: 200,
      headers: ["X-Method", head.method, "X-Path", head.path, ...head.headers],
    });
    for (const chunk of recorder.chunks) stream.write(chunk);
    stream.end();
  };
  return recorder;
}

/** A session on each end of a link; each request is echoed. */
function echoPair() {
  const [near, far] = linkedPair();
  const relay = new JsonRelaySession(near, new Owner(), quiet);
  const client = new JsonClientSession(far, echo, new Owner(), quiet);
  return { relay, client };
}

async function exchange(relay: JsonRelaySession, head: RequestHead, chunks: Buffer[]): Promise<Recorder> {
  const recorder = new Recorder();
  const stream = relay.open(head, chunks.length === 0, recorder);
  recorder.onData = (chunk) => {
    recorder.chunks.push(chunk);
    stream.consumed(chunk.length);
  };
  for (const chunk of chunks) stream.write(chunk);
  if (chunks.length > 0) stream.end();
  await recorder.over;
  return recorder;
}

/** Fields per name, in order; names in lower case. */
function byName(headers: RawHeaders): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (let i = 0; i < headers.length; i += 2) {
    const [name = "", value = ""] = headers.slice(i, i + 2);
    fields.set(name.toLowerCase(), [...(fields.get(name.toLowerCase()) ?? []), value]);
  }
  return fields;
}

describe("our two ends on the JSON wire", () => {
  it("carry bodies of every size byte for byte, many at a time", async () => {
    const { relay, client } = echoPair();
    const sizes = [0, 1, 65_535, 65_536, 65_537, 1_000_000];
    const recorders = await Promise.all(
      sizes.map((size) => {
        const body = Buffer.alloc(size, "0123456789abcdef\xff", "latin1");
        return exchange(relay, { method: "POST", path: `/${size}`, headers: [] }, [
          body.subarray(0, size >> 1),
          body.subarray(size >> 1),
        ]);
      }),
    );
    for (const [i, size] of sizes.entries()) {
      const recorder = recorders[i];
      const expected = Buffer.alloc(size, "0123456789abcdef\xff", "latin1");
      expect(recorder?.body.equals(expected)).toBe(true);
      expect(byName(recorder?.head?.headers ?? []).get("x-path")).toEqual([`/${size}`]);
    }
    expect(relay.wire).toBe("json-0.2");
    expect(client.wire).toBe("json-0.2");
    expect([relay.streamCount, client.streamCount]).toEqual([0, 0]);
  });

  it(
    "carry any head: each field's values survive, joined where they repeat, cookies one by one",
    async () => {
      const { relay } = echoPair();
      const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/);
      const name = fc.oneof(
        token,
        fc.constantFrom("Set-Cookie", "set-cookie", "Accept", "accept", "__proto__"),
      );
      const value = fc.stringMatching(/^[!-~]([ -~]{0,18}[!-~])?$/);
      const gone =
        /^(connection|keep-alive|te|trailer|upgrade|expect|content-length|transfer-encoding|proxy-.*)$/i;
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 20 }), async (pairs) => {
          const fields = pairs.filter(([field]) => !gone.test(field) && !/^(x-method|x-path)$/i.test(field));
          const { head } = await exchange(relay, get("/", fields.flat()), []);
          const arrived = byName(head?.headers ?? []);
          arrived.delete("x-method");
          arrived.delete("x-path");
          const expected = new Map<string, string[]>();
          for (const [field, values] of byName(fields.flat())) {
            if (field === "set-cookie") expected.set(field, values);
            else expected.set(field, [values.join(field === "cookie" ? "; " : ", ")]);
          }
          expect(arrived).toEqual(expected);
        }),
        runs(200),
      );
    },
    fuzzTimeoutMs,
  );
});

describe("liveness on the JSON wire", () => {
  it("measures the round trip, and gives up on a peer that went silent", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const relay = relayAndRawClient({ liveness: { pingIntervalMs: 1_000, pingTimeoutMs: 500 } });
    await relay.client.settle();
    expect(relay.session.rttMs).toBeGreaterThanOrEqual(0);
    vi.advanceTimersByTime(1_000);
    // From now on no pong comes back.
    relay.link.ping = () => {};
    await relay.client.settle();
    vi.advanceTimersByTime(1_000);
    vi.advanceTimersByTime(500);
    expect(relay.owner.closes).toMatchObject([{ error: { code: "session_lost" }, code: 1006 }]);
  });

  it("does not take its own pause for the peer's silence", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const relay = relayAndRawClient({ liveness: { pingIntervalMs: 1_000, pingTimeoutMs: 500 } });
    const stream = relay.session.open(get(), true, new Recorder());
    await relay.client.settle();
    const { id } = relay.client.received[0] as { id: string };
    const data = Buffer.alloc(17_000_000).toString("base64");
    await relay.client.say(
      { kind: "response_head", id, status: 200, headers: {} },
      { kind: "response_chunk", id, data, last: false },
    );
    relay.link.ping = () => {};
    vi.advanceTimersByTime(9_999);
    expect(relay.owner.closes).toEqual([]);
    // The link is read again, so the peer's silence counts again.
    stream.consumed(17_000_000);
    vi.advanceTimersByTime(500);
    expect(relay.owner.closes).toMatchObject([{ error: { code: "session_lost" } }]);
  });
});

describe("hostile peers on the JSON wire", () => {
  const kind = fc.constantFrom(
    undefined,
    "request",
    "cancel",
    "response_head",
    "response_chunk",
    "response_error",
    "other",
    7,
    null,
  );
  const headers = fc.oneof(
    fc.dictionary(fc.string(), fc.string()),
    fc.dictionary(fc.string(), fc.oneof(fc.array(fc.string()), fc.jsonValue())),
    fc.jsonValue(),
  );
  const bytes = fc.oneof(fc.base64String(), fc.string(), fc.constant(null), fc.jsonValue());
  /** Messages about a handful of ids that are nearly right. */
  const nearly = (ids: fc.Arbitrary<unknown>) =>
    fc.record(
      {
        kind,
        id: fc.oneof(ids, fc.jsonValue()),
        method: fc.oneof(fc.constant("GET"), fc.jsonValue()),
        path: fc.oneof(fc.constant("/"), fc.string(), fc.jsonValue()),
        status: fc.oneof(fc.constantFrom(200, 204, 502), fc.double(), fc.jsonValue()),
        headers,
        body: bytes,
        data: bytes,
        last: fc.oneof(fc.boolean(), fc.jsonValue()),
        message: fc.oneof(fc.string(), fc.jsonValue()),
      },
      { requiredKeys: ["id"] },
    );
  const anything = fc.oneof(
    fc.string(),
    fc.json(),
    fc.uint8Array().map((array) => Buffer.from(array)),
  );

  it(
    "cannot harm the relay's end: every stream ends at most once, in order, and the next exchange works",
    async () => {
      const picks = fc.constantFrom(0, 1, 2, 3);
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.oneof({ weight: 5, arbitrary: nearly(picks) }, anything), { maxLength: 40 }),
          async (messages) => {
            const relay = relayAndRawClient();
            const recorders = [0, 1, 2, 3].map(() => new Recorder());
            for (const recorder of recorders) relay.session.open(get(), true, recorder);
            await relay.client.settle();
            const ids = relay.client.received.map((request) => request["id"]);
            for (const message of messages) {
              relay.client.link.send(
                typeof message === "string" || Buffer.isBuffer(message)
                  ? message
                  : JSON.stringify({
                      ...message,
                      id: typeof message.id === "number" ? ids[message.id] : message.id,
                    }),
              );
            }
            await relay.client.settle();
            for (const { events } of recorders) {
              expect(events.join("|")).toMatch(/^(head \d+(\|data [^]*)?)?\|?(end|reset \w+)?$/);
              expect(
                events.filter((event) => event === "end" || event.startsWith("reset")).length,
              ).toBeLessThan(2);
            }
            expect(relay.owner.faults).toEqual([]);
            expect(relay.owner.closes).toEqual([]);
            const next = new Recorder();
            relay.session.open(get(), true, next);
            await relay.client.settle();
            const { id } = relay.client.received.at(-1) as { id: string };
            await relay.client.say({ id, status: 200, headers: {}, body: "aGk=" });
            expect(next.events).toEqual(["head 200", "data hi", "end"]);
          },
        ),
        runs(300),
      );
    },
    fuzzTimeoutMs,
  );

  it(
    "cannot harm the client's end: nothing is thrown, no more is open than was asked, the next request works",
    async () => {
      const picks = fc.constantFrom("a", "b", "c");
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.oneof({ weight: 5, arbitrary: nearly(picks) }, anything), { maxLength: 40 }),
          async (messages) => {
            const client = clientAndRawRelay();
            for (const message of messages) {
              client.relay.link.send(
                typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message),
              );
            }
            await client.relay.settle();
            expect(client.session.streamCount).toBeLessThanOrEqual(client.accepted.length);
            for (const { head } of client.accepted) {
              expect(head.method).not.toBe("");
              expect(head.headers.every((part) => typeof part === "string")).toBe(true);
            }
            expect(client.owner.faults).toEqual([]);
            expect(client.owner.closes).toEqual([]);
            for (const { stream } of client.accepted) stream.reset("internal");
            await client.relay.say({ id: "next", method: "GET", path: "/", headers: {}, body: null });
            expect(client.accepted.at(-1)?.head.path).toBe("/");
            client.accepted.at(-1)?.stream.sendHead({ status: 200, headers: [] }, true);
            await nextTurn();
            await client.relay.settle();
            expect(client.relay.received.at(-1)).toEqual({
              id: "next",
              status: 200,
              headers: {},
              body: null,
            });
            expect(client.session.streamCount).toBe(0);
          },
        ),
        runs(300),
      );
    },
    fuzzTimeoutMs,
  );
});
