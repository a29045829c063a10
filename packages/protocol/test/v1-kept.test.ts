import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import { listener, relayWithRawClient } from "./support/raw-peer.js";
import { ack } from "./support/wire.js";

const get = { method: "GET", path: "/", headers: [] };
const kiB = 1_024;
const miB = 1_048_576;

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "performance"],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

type Pair = ReturnType<typeof relayWithRawClient>;

/** Lets the session send what it may. Returns the bytes that it has sent since the last call. */
function sent({ peer }: Pair): number {
  let bytes = 0;
  for (let turn = 0; turn < 20; turn++) {
    vi.advanceTimersByTime(1);
    peer.link.deliverAll();
    for (const message of peer.messages.splice(0)) bytes += message.length;
  }
  return bytes;
}

/** A tunnel to which a visitor sends more than a client that acknowledges nothing is ever sent. */
function uploading(): Pair {
  const pair = relayWithRawClient({ sendWindow: 64 * miB, liveness: { pingIntervalMs: 0 } });
  // One buffer for all: it is kept by reference.
  pair.relay.open({ ...get, method: "POST" }, false, listener()).write(body);
  return pair;
}

const body = Buffer.alloc(2 * miB);

it("a process whose clients acknowledge nothing keeps 128 MiB and a little for each tunnel", () => {
  const greedy: Pair[] = [];
  let kept = 0;
  while (kept < 128 * miB) {
    const pair = uploading();
    greedy.push(pair);
    const bytes = sent(pair);
    expect(bytes).toBeGreaterThan(0);
    kept += bytes;
  }
  const honest = uploading();
  let received = sent(honest);
  expect(received).toBeLessThan(512 * kiB);

  // Small requests pass, and a client that acknowledges gets everything.
  honest.relay.open(get, true, listener());
  received += sent(honest);
  for (let round = 0; round < 20; round++) {
    honest.peer.send(ack(received));
    received += sent(honest);
  }
  expect(received).toBeGreaterThan(body.length);

  // A tunnel that keeps much opens no more streams meanwhile.
  const [first, ...others] = greedy;
  if (first === undefined) throw new Error("one tunnel alone was never held back");
  expect(() => first.relay.open(get, true, listener())).toThrow("does not acknowledge");
  for (const { relay } of others.slice(0, 20)) relay.destroy(new TunnelError("session_lost", "gave up"));
  first.relay.open(get, true, listener());
  expect(sent(first)).toBeGreaterThan(0);
  for (const { relay } of [...greedy, honest]) relay.close(1000, "");
});

it("a session that is over keeps nothing, whatever it was going to send", () => {
  let kept = 0;
  while (kept < 128 * miB) {
    const pair = uploading();
    kept += sent(pair);
    pair.relay.open(get, true, listener());
    pair.relay.destroy(new TunnelError("session_lost", "gave up"));
    vi.advanceTimersByTime(1);
  }
  const next = uploading();
  expect(sent(next)).toBeGreaterThanOrEqual(miB);
  next.relay.close(1000, "");
});
