import { afterEach, describe, expect, it } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import { V1ClientSession } from "mcp-tunnel-protocol/sessions";
import { clientWithRawRelay, listener, RawPeer, relayWithRawClient, turn } from "./support/raw-peer.js";
import { END, UPGRADE, ack, credit, describe as inWords, frame, reset, types } from "./support/wire.js";

const { REQUEST, INTERIM, RESPONSE, DATA, BLOCKED, GOAWAY, REFUSED } = types;
const get = { method: "GET", path: "/", headers: [] };

/** Sessions made by a test, closed after it. */
const open: { close(code: number, reason: string): void }[] = [];
afterEach(() => {
  for (const session of open.splice(0)) session.close(1000, "");
});

/** A relay with stream 1 (a plain request, body to come) and stream 2 (an upgrade). */
function relayEnd() {
  const made = relayWithRawClient({ receiveWindow: 1_000, sendWindow: 1_000 });
  open.push(made.relay);
  const heard = [listener(), listener()] as const;
  made.relay.open({ ...get, method: "POST" }, false, heard[0]);
  made.relay.open({ ...get, upgrade: true }, false, heard[1]);
  return { ...made, session: made.relay, heard };
}

/**
 * A client with stream 1 (body to come), stream 2 (an upgrade) and stream 3 (finished); then ids rise from 4.
 */
function clientEnd() {
  const made = clientWithRawRelay({ receiveWindow: 1_000, sendWindow: 1_000 });
  open.push(made.client);
  made.peer.send(
    frame(REQUEST, 1, "POST\n/"),
    frame(REQUEST | UPGRADE, 2, "GET\n/"),
    frame(REQUEST, 3, "POST\n/"),
    reset(3, 1),
  );
  return { ...made, session: made.client };
}

const ok = frame(RESPONSE, 1, "200");
const okEnd = frame(RESPONSE | END, 1, "200");

function expectViolation(end: {
  peer: RawPeer;
  told: { events: string[]; faults: unknown[] };
}): Promise<void> {
  return turn().then(() => {
    expect(end.peer.closed?.code).toBe(1002);
    expect(end.peer.closed?.reason).not.toBe("");
    expect(end.told.events).toEqual(["closed protocol_error"]);
    expect(end.told.faults).toEqual([]);
  });
}

describe("what a client may not say to a relay", () => {
  it.each<[string, () => Buffer | string]>([
    ["a text message", () => "{}"],
    ["REQUEST", () => frame(REQUEST, 1, "GET\n/")],
    ["REQUEST on a new id", () => frame(REQUEST, 9, "GET\n/")],
    ["a frame on an id that was never opened", () => frame(DATA, 3, "x")],
    ["RESET of an id that was never opened", () => reset(3, 1)],
    ["DATA before RESPONSE", () => frame(DATA, 1, "x")],
    ["END before RESPONSE", () => frame(types.END, 1)],
    ["DATA after INTERIM alone", () => Buffer.concat([frame(INTERIM, 1, "100"), frame(DATA, 1, "x")])],
    ["a second RESPONSE", () => Buffer.concat([ok, ok])],
    ["RESPONSE after END", () => Buffer.concat([okEnd, ok])],
    ["INTERIM after RESPONSE", () => Buffer.concat([ok, frame(INTERIM, 1, "103")])],
    ["INTERIM after END", () => Buffer.concat([okEnd, frame(INTERIM, 1, "103")])],
    ["a final status in INTERIM", () => frame(INTERIM, 1, "200")],
    ["101 in INTERIM", () => frame(INTERIM, 2, "101")],
    ["an interim status in RESPONSE", () => frame(RESPONSE, 1, "100")],
    ["101 on a stream without UPGRADE", () => frame(RESPONSE, 1, "101")],
    ["a malformed RESPONSE", () => frame(RESPONSE, 1, "200\nA")],
    ["a malformed INTERIM", () => frame(INTERIM, 1, "")],
    ["malformed trailers", () => Buffer.concat([ok, frame(types.END, 1, "A")])],
    ["empty DATA without END", () => Buffer.concat([ok, frame(DATA, 1)])],
    ["DATA after END", () => Buffer.concat([okEnd, frame(DATA, 1, "x")])],
    ["DATA after DATA with END", () => Buffer.concat([ok, frame(DATA | END, 1, "x"), frame(DATA, 1, "x")])],
    ["END after END", () => Buffer.concat([okEnd, frame(types.END, 1)])],
    ["BLOCKED after END", () => Buffer.concat([okEnd, frame(BLOCKED, 1)])],
    ["a byte more than the window", () => Buffer.concat([ok, frame(DATA, 1, Buffer.alloc(1_001))])],
    [
      "a byte more than the window, in two frames",
      () => Buffer.concat([ok, frame(DATA, 1, Buffer.alloc(1_000)), frame(DATA, 1, "x")]),
    ],
    ["CREDIT of nothing", () => credit(1, 0)],
    ["CREDIT beyond 2^31-1", () => credit(1, 0x7fffffff)],
    ["CREDIT beyond 2^31-1, in many", () => Buffer.concat([credit(1, 0x7ffff000), credit(1, 0x7ffff000)])],
    ["RESET without a code", () => frame(types.RESET, 1)],
    ["RESET with half a code", () => frame(types.RESET, 1, "\0")],
    ["ACK of what was not sent", () => ack(1_000_000)],
    ["ACK beyond any offset", () => frame(types.ACK, 0, Buffer.alloc(8, 0xff))],
    ["ACK that goes back", () => Buffer.concat([ack(14), ack(13)])],
    ["an unknown type", () => frame(0x1e, 1)],
    ["REFUSED", () => frame(REFUSED, 0, "url_too_long\n414\n1\n\n\n")],
  ])("%s", async (_name, message) => {
    const end = relayEnd();
    // The frames sent so far, so that an ACK of them can be right or wrong.
    await end.peer.frames();
    end.peer.sendMessage(message());
    await expectViolation(end);
    for (const { seen } of end.heard) expect(seen.filter((what) => what.startsWith("reset")).length).toBe(1);
    expect(end.session.streamCount).toBe(0);
    expect(end.session.queuedBytes).toBe(0);
  });

  it("but may say all this", async () => {
    const { peer, told, heard } = relayEnd();
    await peer.frames();
    peer.sendMessage(Buffer.alloc(0));
    peer.send(
      frame(INTERIM, 1, "100"),
      frame(INTERIM, 1, "103\nLink\nx"),
      ok,
      frame(DATA, 1, Buffer.alloc(1_000)),
    );
    peer.send(frame(DATA | END, 1), reset(1, 0), frame(DATA, 1, "late"), credit(1, 1), reset(1, 1));
    peer.send(
      frame(RESPONSE, 2, "101\nUpgrade\nx"),
      frame(BLOCKED, 2),
      frame(DATA, 2, "raw"),
      reset(2, 4_711, "odd"),
    );
    peer.send(frame(GOAWAY, 0), frame(GOAWAY, 0), ack(14), ack(14));
    expect(heard[0].seen).toEqual([
      "interim 100",
      "interim 103",
      "head 200",
      "data 1000",
      "end",
      "reset no_error",
    ]);
    // An unknown code is `internal`.
    expect(heard[1].seen).toEqual(["head 101", "data 3", "reset internal"]);
    expect(told.events).toEqual(["goaway"]);
    await turn();
    expect(peer.closed).toBe(undefined);
  });
});

describe("what a relay may not say to a client", () => {
  it.each<[string, () => Buffer | string]>([
    ["a text message", () => "{}"],
    ["RESPONSE", () => frame(RESPONSE, 1, "200")],
    ["INTERIM", () => frame(INTERIM, 1, "100")],
    ["REQUEST on an id that is open", () => frame(REQUEST, 1, "GET\n/")],
    ["REQUEST on an id that is finished", () => frame(REQUEST, 3, "GET\n/")],
    [
      "REQUEST below an id before",
      () => Buffer.concat([frame(REQUEST, 9, "GET\n/"), frame(REQUEST, 8, "GET\n/")]),
    ],
    ["a malformed REQUEST", () => frame(REQUEST, 4, "GET")],
    ["a frame on an id that was never opened", () => frame(DATA, 4, "x")],
    ["CREDIT on an id that was never opened", () => credit(4, 1)],
    ["a byte more than the window", () => frame(DATA, 1, Buffer.alloc(1_001))],
    ["DATA after END", () => Buffer.concat([frame(DATA | END, 1), frame(DATA, 1, "x")])],
    [
      "DATA on a request without a body",
      () => Buffer.concat([frame(REQUEST | END, 4, "GET\n/"), frame(DATA, 4, "x")]),
    ],
    [
      "END on a request without a body",
      () => Buffer.concat([frame(REQUEST | END, 4, "GET\n/"), frame(types.END, 4)]),
    ],
    ["an unknown type", () => frame(0x0c, 0)],
    ["REFUSED of nothing", () => frame(REFUSED, 0)],
    ["REFUSED of half a kind", () => frame(REFUSED, 0, "url_too_long\n414")],
  ])("%s", async (_name, message) => {
    const end = clientEnd();
    end.peer.sendMessage(message());
    await expectViolation(end);
    expect(end.session.streamCount).toBe(0);
    expect(end.session.queuedBytes).toBe(0);
  });

  it("but may say all this", async () => {
    const { client, peer, told, streams } = clientEnd();
    peer.send(frame(DATA, 3, "late"), credit(3, 5), reset(3, 1), frame(types.END, 3));
    peer.send(frame(DATA, 1, Buffer.alloc(1_000)), frame(types.END, 1, "T\nv"), credit(1, 5));
    peer.send(frame(DATA, 2, "early"), frame(BLOCKED, 2));
    // Ids may leave out any number. The highest id ends them.
    peer.send(
      frame(REQUEST | END, 0x8000_0000, "GET\n/"),
      frame(REQUEST | END | UPGRADE, 0xffff_ffff, "GET\n/"),
    );
    peer.send(frame(GOAWAY, 0), frame(GOAWAY, 0));
    peer.send(frame(REFUSED, 0, "url_too_long\n414\n1\n\n\n\nnew_code\n\n2\n\n\nnew limit"));
    await turn();
    expect(peer.closed).toBe(undefined);
    expect(told.events).toEqual(["goaway", "refused url_too_long,other"]);
    expect([...streams.keys()]).toEqual([1, 2, 3, 0x8000_0000, 0xffff_ffff]);
    expect(client.streamCount).toBe(4);
    streams.get(0xffff_ffff)?.stream.sendHead({ status: 101, headers: [] });
    expect(inWords(await peer.frames()).at(-1)).toBe('RESPONSE 4294967295 "101"');
  });

  it("ends the session for REFUSED that the client has not announced", async () => {
    const events: string[] = [];
    const told = { onClose: (error: TunnelError) => events.push(`closed ${error.code}`) };
    const client = new V1ClientSession(() => listener(), told, { liveness: { pingIntervalMs: 0 } });
    const peer = new RawPeer();
    client.attach(peer.sessionLink, 0);
    peer.send(frame(REFUSED, 0, "url_too_long\n414\n1\n\n\n"));
    await turn();
    expect(peer.closed?.code).toBe(1002);
    expect(events).toEqual(["closed protocol_error"]);
  });

  it("is answered `refused` beyond the number of streams that the client serves", async () => {
    const { client, peer } = clientWithRawRelay({ maxStreams: 2 });
    open.push(client);
    peer.send(...[1, 2, 3].map((id) => frame(REQUEST | END, id, "GET\n/")));
    expect(inWords(await peer.frames())).toEqual([
      'RESET 3 "\\u0000\\u0007the client already serves 2 streams"',
    ]);
    expect(client.streamCount).toBe(2);
  });
});

it("takes a handler's own protocol_error for a fault of that handler", async () => {
  const { relay, peer, told } = relayWithRawClient();
  open.push(relay);
  const bad = listener({
    onHead: () => {
      throw new TunnelError("protocol_error", "of some other session");
    },
  });
  relay.open(get, true, bad);
  const good = listener();
  relay.open(get, true, good);
  await peer.frames();
  peer.send(ok, frame(RESPONSE, 2, "200"));
  await turn();
  expect(bad.seen).toEqual(["head 200", "reset internal"]);
  expect(good.seen).toEqual(["head 200"]);
  expect(told.events).toEqual([]);
  expect(told.faults.length).toBe(1);
  expect(peer.closed).toBe(undefined);
});
