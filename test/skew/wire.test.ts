import { once } from "node:events";
import { checkRegistration } from "mcp-tunnel-client";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { firstFields, isOfFirstRelease } from "../../packages/protocol/test/support/first-wire.js";
import { describe as inWords, types, type WireFrame } from "../../packages/protocol/test/support/wire.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runClient, startClientCommand, startRelayCommand } from "../support/commands.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { createVisitor, rawExchange, type Visitor } from "../support/visitor.js";
import { isFirstMissing } from "./first-release.js";
import { type Said, startRecorder } from "./recorder.js";
import { first, type Release, today } from "./releases.js";

/**
 * The rule: what the first release does not know goes only to a peer that has announced that it takes it
 * (PROTOCOL.md, section 1). An older peer closes the link for such a frame.
 */
const closing = closingAfterEach();

const bodyLimit = 5_000_000;
const head = (line: string, ...fields: string[]): string =>
  `${[line, "Host: demo.localhost", "Connection: close", ...fields].join("\r\n")}\r\n\r\n`;

/** Exchanges of all kinds, such that each type of frame travels that there is for them. */
async function visitInAllWays(port: number, visitor: Visitor, upstream: Upstream): Promise<void> {
  await rawExchange(port, head("GET /trailers HTTP/1.1", "TE: trailers"));
  await rawExchange(port, head("GET /hints HTTP/1.1"));
  await visitor.text("demo", `/bytes/${bodyLimit}`);
  await visitor.text("demo", "/hash", { method: "POST", body: Buffer.alloc(bodyLimit) });

  const arrived = upstream.nextRequest();
  const left = await visitor.visit("demo", "/sse");
  await arrived;
  const aborted = upstream.nextAbort();
  left.body.on("error", () => {}).destroy();
  await aborted;

  const ws = new WebSocket(`ws://127.0.0.1:${port}/websocket`, { headers: { host: "demo.localhost" } });
  closing({ close: () => ws.terminate() });
  await once(ws, "open");
  ws.send(Buffer.alloc(100_000));
  await once(ws, "message");
  ws.close();
  await once(ws, "close");

  // Answers that break off. A client that wants to know is told of those that the relay does not pass on,
  // and of the request that the relay refuses.
  for (const path of [
    "/cut/100000",
    `/bytes/${bodyLimit + 1}`,
    `/bytes/${bodyLimit + 1}?chunked`,
    "/reset",
  ]) {
    await visitor.text("demo", path).catch(() => {});
  }
  // The length is announced and nothing of the body sent: a relay reads no whole body that it has refused, so
  // who goes on writing may meet a reset before the answer (RFC 9112 section 9.6).
  const tooLarge = [`Content-Length: ${bodyLimit + 1}`, "Expect: 100-continue"];
  const refused = await rawExchange(port, head("POST /echo HTTP/1.1", ...tooLarge));
  expect(refused).toMatch(/^HTTP\/1\.1 413 /);
}

/** Lets the ends say all that they have to say to each other, and returns what they said on each link. */
async function conversation(pair: { client: Release; relay: Release }) {
  const upstream = closing(await startUpstream());
  const limits = ["--max-request-body", String(bodyLimit), "--max-response-body", String(bodyLimit)];
  const relay = closing(await startRelayCommand(limits, {}, pair.relay.relay));
  const recorder = closing(await startRecorder(relay.port));
  const args = ["--subdomain", "demo", "--token", "t"];
  const client = closing(
    await startClientCommand(upstream.port, recorder.port, args, {}, pair.client.client),
  );
  const visitor = closing(createVisitor(relay.port));
  await visitInAllWays(relay.port, visitor, upstream);
  // The session goes on over another link, and ends when the relay does.
  recorder.cut();
  await client.waitForJson({ event: "connected" }, 2);
  await visitor.text("demo", "/status/200");
  relay.child.kill("SIGTERM");
  expect(await relay.exited).toEqual({ code: 0, signal: null });
  return recorder.links();
}

/** Names of fields, over all messages of an end before its session, beyond those of the first release. */
function newFields(texts: Said["texts"], known: readonly string[]): string[] {
  return [...new Set(texts.flatMap((text) => Object.keys(text)))]
    .filter((name) => !known.includes(name))
    .toSorted();
}

const newFrames = (frames: readonly WireFrame[]): string[] =>
  inWords(frames.filter((frame) => !isOfFirstRelease(frame)));
const typesIn = (frames: readonly WireFrame[]): number[] =>
  [...new Set(frames.map(({ type }) => type))].toSorted((a, b) => a - b);

/** The most bytes that one ACK acknowledges. */
function acknowledgedAtOnce(frames: readonly WireFrame[]): number {
  const acks = frames.filter(({ type }) => type === types.ACK);
  const offsets = acks.map(({ payload }) => Number(payload.readBigUInt64BE()));
  return Math.max(...offsets.map((offset, i) => offset - (offsets[i - 1] ?? 0)));
}

/** After 131,072 bytes (PROTOCOL.md, section 7), of which the last frame may be as long as a frame can be. */
const ackLimit = 131_072 + 262_144 + 8;

const { ACK, REQUEST, INTERIM, RESPONSE, DATA, RESET, CREDIT, GOAWAY, REFUSED } = types;

describe.skipIf(isFirstMissing)("on the wire", { timeout: 60_000 }, () => {
  it("a client of the first release gets no frame and no field that it does not know", async () => {
    const links = await conversation({ client: first, relay: today });
    expect(links).toHaveLength(2);
    for (const { client, relay } of links) {
      expect(newFields(client.texts, firstFields.register)).toEqual([]);
      // Of these two the document says that a client with `protocol` gets them, and may ignore them.
      const told = ["maxResponseBody", "visitorAddress"];
      expect(newFields(relay.texts, firstFields.acknowledge)).toEqual(told);
      expect(newFrames(relay.frames)).toEqual([]);
      expect(relay.head).toMatch(/\r\nX-Tunnel-Features: claim, pool(?:\r\n|$)/i);
    }
    const frames = links.flatMap(({ relay }) => relay.frames);
    expect(typesIn(frames)).toEqual(expect.arrayContaining([ACK, REQUEST, DATA, RESET, CREDIT, GOAWAY]));
    expect(acknowledgedAtOnce(links[0]?.relay.frames ?? [])).toBeLessThan(ackLimit);
  });

  it("a relay of the first release gets no frame that it does not know, and the announcements", async () => {
    const links = await conversation({ client: today, relay: first });
    expect(links).toHaveLength(2);
    for (const { client, relay } of links) {
      expect(newFields(client.texts, firstFields.register)).toEqual(["refusals"]);
      expect(newFields(relay.texts, firstFields.acknowledge)).toEqual([]);
      expect(newFrames(client.frames)).toEqual([]);
      expect(relay.head).not.toMatch(/X-Tunnel-Features/i);
    }
    const frames = links.flatMap(({ client }) => client.frames);
    expect(typesIn(frames)).toEqual(expect.arrayContaining([ACK, INTERIM, RESPONSE, DATA, RESET, CREDIT]));
    expect(acknowledgedAtOnce(links[0]?.client.frames ?? [])).toBeLessThan(ackLimit);
  });

  it("a client of today gets what it has announced, so the tests above would see it", async () => {
    const links = await conversation({ client: today, relay: today });
    const frames = links.flatMap(({ relay }) => relay.frames);
    expect(typesIn(frames)).toContain(REFUSED);
  });

  it("a relay of the first release is told of a gate, and nothing of a claim or a pool", async () => {
    const upstream = closing(await startUpstream());
    const relay = closing(await startRelayCommand([], {}, first.relay));
    const recorder = closing(await startRecorder(relay.port));
    const gate = ["--visitor-auth", "bearer", "--visitor-key", "k".repeat(32)];
    const holder = closing(
      await startClientCommand(upstream.port, recorder.port, ["--subdomain", "demo", ...gate]),
    );
    const relayUrl = `http://127.0.0.1:${recorder.port}`;
    const args = [String(upstream.port), "--relay", relayUrl, "--subdomain", "demo", "--json"];
    const late = closing(runClient([...args, "--takeover", "never"]));
    expect(await late.exited).toEqual({ code: 1, signal: null });
    expect(late.json.at(-1)).toMatchObject({ event: "error", code: "unsupported" });
    const pooled = closing(runClient([...args, "--token", "t", "--pool"]));
    expect(await pooled.exited).toEqual({ code: 1, signal: null });
    expect(pooled.json.at(-1)).toMatchObject({ event: "error", code: "unsupported" });
    await expect(checkRegistration({ relayUrl })).rejects.toMatchObject({ code: "unsupported" });
    const [registered, ...others] = recorder.links().map(({ client }) => client);
    expect(newFields(registered?.texts ?? [], firstFields.register)).toEqual(["gate", "refusals"]);
    expect(others.map(({ texts }) => texts)).toEqual([[], [], []]);
    expect(holder.json.map(({ event }) => event)).toEqual(["connected"]);
  });
});
