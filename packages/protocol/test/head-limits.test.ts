import { describe, expect, it } from "vitest";
import type { RawHeaders } from "mcp-tunnel-protocol";
import { clientAndRawRelay, get, Recorder, relayAndRawClient } from "./json-peer.js";
import { clientWithRawRelay, listener, relayWithRawClient, turn } from "./support/raw-peer.js";
import { END, frame, types } from "./support/wire.js";

// A head is bounded in its bytes and in the number of its fields, on both wires and in both directions
// (PROTOCOL.md, section 2).

const mostFields = 2_048;
const mostBytes = 262_144;
const badMessage = 6;

const fieldsOf = (count: number): RawHeaders =>
  Array.from({ length: count }, (_, i) => [`x-${i}`, "1"]).flat();
const many = fieldsOf(mostFields);
const tooMany = fieldsOf(mostFields + 1);
const tooLarge = ["x-large", "x".repeat(mostBytes)];
const lines = (start: string[], fields: RawHeaders): string => [...start, ...fields].join("\n");
const asMap = (fields: RawHeaders): Record<string, string | undefined> =>
  Object.fromEntries(fields.flatMap((text, i) => (i % 2 === 0 ? [[text, fields[i + 1]]] : [])));

describe("version 1", () => {
  const answers: [string, Buffer, Buffer][] = [
    [
      "RESPONSE",
      frame(types.RESPONSE, 1, lines(["200"], many)),
      frame(types.RESPONSE, 1, lines(["200"], tooMany)),
    ],
    [
      "INTERIM",
      frame(types.INTERIM, 1, lines(["103"], many)),
      frame(types.INTERIM, 1, lines(["103"], tooMany)),
    ],
    [
      "trailers",
      Buffer.concat([frame(types.RESPONSE, 1, "200"), frame(types.END, 1, lines([], many))]),
      Buffer.concat([frame(types.RESPONSE, 1, "200"), frame(types.END, 1, lines([], tooMany))]),
    ],
  ];

  it.each(answers)(
    "%s with too many fields costs its stream, and the session goes on",
    async (_, fine, bad) => {
      const { relay, peer, told } = relayWithRawClient();
      const [first, second] = [listener(), listener()];
      relay.open(get(), true, first);
      peer.send(fine);
      expect(first.seen).not.toEqual([]);
      expect(first.seen.join()).not.toContain("reset");
      relay.open(get(), true, second);
      // The frames are of stream 1 and are rewritten to stream 2.
      for (let at = 0; at < bad.length; at += 8 + bad.readUIntBE(at + 1, 3)) bad.writeUInt32BE(2, at + 4);
      peer.send(bad);
      await turn();
      expect(second.seen.at(-1)).toBe("reset bad_message");
      const resets = (await peer.frames()).filter(({ type, stream }) => type === types.RESET && stream === 2);
      expect(resets.map(({ payload }) => payload.readUInt16BE(0))).toEqual([badMessage]);
      expect(told.events).toEqual([]);
    },
  );

  it("REQUEST with too many fields is not accepted, and the next one is", async () => {
    const { peer, told, streams } = clientWithRawRelay();
    peer.send(frame(types.REQUEST | END, 1, lines(["GET", "/"], tooMany)));
    peer.send(frame(types.REQUEST | END, 2, lines(["GET", "/"], many)));
    expect([...streams.keys()]).toEqual([2]);
    const resets = (await peer.frames()).filter(({ type }) => type === types.RESET);
    expect(resets.map(({ stream, payload }) => [stream, payload.readUInt16BE(0)])).toEqual([[1, badMessage]]);
    expect(told.events).toEqual([]);
  });

  it("a response of a local service over the limits does not leave, and is reset with a reason", async () => {
    const { peer, streams } = clientWithRawRelay({}, () => listener());
    peer.send(frame(types.REQUEST | END, 1, "GET\n/"));
    streams.get(1)?.stream.sendHead({ status: 200, headers: tooMany });
    const frames = await peer.frames();
    expect(frames.map(({ type }) => type)).toEqual([types.RESET]);
    expect(frames[0]?.payload.toString("latin1")).toContain("more than 2048 fields");
  });

  it("no stream is opened for such a request", () => {
    const { relay } = relayWithRawClient();
    const refused = expect.objectContaining({ code: "head_too_large" });
    expect(() => relay.open(get("/", tooMany), true, listener())).toThrow(refused);
    expect(() => relay.open(get("/", tooLarge), true, listener())).toThrow(refused);
    relay.open(get("/", many), true, listener());
  });
});

describe("the JSON wire", () => {
  const kinds: [string, object][] = [
    ["0.1", { body: null }],
    ["0.2", { kind: "response_head" }],
  ];

  it.each(kinds)("a %s response with too many fields or bytes costs its exchange", async (_, kind) => {
    const { session, client, owner } = relayAndRawClient();
    const heads: [RawHeaders, string][] = [
      [many, "head 200"],
      [tooMany, "reset bad_message"],
      [tooLarge, "reset bad_message"],
    ];
    for (const [fields, expected] of heads) {
      const recorder = new Recorder();
      session.open(get(), true, recorder);
      await client.settle();
      const { id } = client.received.at(-1) as { id: string };
      if (client.received.at(-1)?.["kind"] === "cancel") throw new Error("the request was not sent");
      await client.say({ id, status: 200, headers: asMap(fields), ...kind });
      expect(recorder.events[0]).toBe(expected);
    }
    expect(owner.closes).toEqual([]);
  });

  it("fields in arrays count one by one", async () => {
    const { session, client } = relayAndRawClient();
    const recorder = new Recorder();
    session.open(get(), true, recorder);
    await client.settle();
    const { id } = client.received[0] as { id: string };
    const headers = { "x-a": new Array<string>(mostFields + 1).fill("") };
    await client.say({ id, status: 200, headers, body: null });
    expect(recorder.events).toEqual(["reset bad_message"]);
  });

  it("a request with too many fields or bytes is answered with an error", async () => {
    const { relay, accepted } = clientAndRawRelay();
    for (const [id, fields] of Object.entries({ a: tooMany, b: tooLarge, c: many })) {
      await relay.say({ kind: "request", id, method: "GET", path: "/", headers: asMap(fields), body: null });
    }
    expect(relay.received.map(({ id, kind }) => [id, kind])).toEqual([
      ["a", "response_error"],
      ["b", "response_error"],
    ]);
    expect(accepted).toHaveLength(1);
  });

  it.each(["request", undefined])(
    "what a local service sends beyond it does not leave (%s)",
    async (kind) => {
      const { relay, accepted } = clientAndRawRelay();
      for (const [id, headers] of Object.entries({ a: tooMany, b: tooLarge })) {
        await relay.say({ kind, id, method: "GET", path: "/", headers: {}, body: null });
        accepted.at(-1)?.stream.sendHead({ status: 200, headers }, true);
        await relay.settle();
        expect(accepted.at(-1)?.recorder.events.at(-1)).toBe("reset bad_message");
      }
      expect(JSON.stringify(relay.received).length).toBeLessThan(1_000);
    },
  );

  it("a message that is more than a head and a body ends the session before it is parsed", async () => {
    const { client, owner } = relayAndRawClient();
    await client.say(`{"id":"a","x":[${"{},".repeat(1_000_000)}{}]}`);
    expect(owner.closes).toMatchObject([{ code: 1009 }]);
    expect(client.closed?.code).toBe(1009);
  });

  it.each([
    ["structure without a quotation mark", `{"id":"a","x":${"[".repeat(600_000)}${"]".repeat(600_000)}}`],
    ["keys", `{"id":"a",${Array.from({ length: 90_000 }, (_, i) => `"k${i}":0`).join()}}`],
    ["two long strings", JSON.stringify({ id: "a", body: "A".repeat(600_000), x: "A".repeat(600_000) })],
    ["a long string that is no base64", JSON.stringify({ id: "a", body: '"'.repeat(600_000) })],
  ])("so does one with %s", async (_, message) => {
    const { relay, owner } = clientAndRawRelay();
    await relay.say(message);
    expect(owner.closes).toMatchObject([{ code: 1009 }]);
  });

  it("a large body, a large head and a body besides do not", async () => {
    const { relay, accepted, owner } = clientAndRawRelay();
    const headers = { "x-large": `"${"\\".repeat(200_000)}` };
    const body = Buffer.alloc(6_000_000, 255).toString("base64");
    await relay.say({ kind: "request", id: "a", method: "POST", path: "/", headers, body });
    expect(owner.closes).toEqual([]);
    expect(accepted[0]?.recorder.body.length).toBe(6_000_000);
  });
});
