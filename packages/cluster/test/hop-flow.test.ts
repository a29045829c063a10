import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesAt } from "../../../test/support/bytes.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { fuzzTimeoutMs, runs } from "../../protocol/test/support/fuzz.js";
import { HopWorld, type HopOptions, nothingHeld, type Served, turn, until } from "./support/hop-world.js";

const mebibyte = 1_048_576;
const opened = closingAfterEach();
const setUp = (options?: HopOptions) => opened(new HopWorld(options));
const ok = { status: 200, headers: [] };

/** The test body, in chunks of these sizes by turns. */
function* chunksOf(bytes: number, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < bytes; i += 1) {
    const size = Math.min(sizes.at(i % sizes.length) as number, bytes - at);
    yield bytesAt(at, size);
    at += size;
  }
}

async function answer(served: Served, bytes: number, sizes: readonly number[] = [65_536]): Promise<void> {
  served.stream.sendHead(ok);
  await served.send(chunksOf(bytes, sizes));
  served.stream.end();
}

describe("bodies over a hop", () => {
  it.each([1, 4_096, 65_537, 5 * mebibyte, 100 * mebibyte])("whole: %i bytes both ways", async (bytes) => {
    const world = setUp();
    const visitor = world.visit({ method: "POST" }, true);
    const served = await world.serve();
    await until(() => visitor.heard.length > 0);
    const sizes = [65_536, 1_000, 262_144];
    const sending = visitor.send(chunksOf(bytes, sizes)).then(() => visitor.stream?.end());
    await Promise.all([sending, answer(served, bytes, sizes)]);
    await until(() => visitor.hasEnded && served.hasEnded);
    expect([served.body.length, visitor.body.length]).toEqual([bytes, bytes]);
    expect(await world.settled()).toEqual(nothingHeld);
    expect(world.tunnel.counted).toEqual([[bytes, bytes]]);
    expect(world.events).toEqual([]);
  });

  it("go on as they came, without a copy: what the tunnel's session hands over is what the link gets", async () => {
    const world = setUp();
    const came = new Set<unknown>();
    const left = new Set<unknown>();
    const { peer } = world.frontLink;
    const send = peer.send.bind(peer);
    peer.send = (message) => {
      if (Buffer.isBuffer(message) && message.length > 4_096) left.add(message.buffer);
      send(message);
    };
    world.tunnel.open = (head, end, handler) => {
      const onData = handler.onData.bind(handler);
      handler.onData = (chunk, last) => {
        came.add(chunk.buffer);
        onData(chunk, last);
      };
      return world.tunnel.session.open(head, end, handler);
    };
    const visitor = world.visit();
    await answer(await world.serve(), 3 * mebibyte);
    await until(() => visitor.hasEnded);
    expect(came.size).toBeGreaterThan(10);
    expect([left.size, [...left].every((memory) => came.has(memory))]).toEqual([came.size, true]);
  });

  it("of which more ends while it waits than a session may hold: the credit is returned all the same", async () => {
    // Each answer is one window and a half. Its last part waits at the relay of the tunnel, whose stream has
    // ended by then. Without the credit for it, the bytes would count as queued for ever, and after 64 MiB of
    // them the tunnel's streams would be reset as overloaded.
    const world = setUp({ tunnel: { maxQueuedBytes: 8 * mebibyte } });
    const bytes = 1.5 * mebibyte;
    for (let i = 0; i < 30; i += 1) {
      const visitor = world.visit();
      visitor.isEager = false;
      // oxlint-disable no-await-in-loop -- one request after the other
      const served = await world.serve(i);
      served.stream.sendHead(ok);
      for (const chunk of chunksOf(bytes, [100_000])) served.stream.write(chunk);
      served.stream.end();
      await until(() => visitor.body.length === mebibyte);
      await turn();
      visitor.take();
      visitor.isEager = true;
      await until(() => visitor.hasEnded);
      // oxlint-enable no-await-in-loop
      expect(visitor.reset).toBeUndefined();
    }
    expect(await world.settled()).toEqual(nothingHeld);
    expect(world.events).toEqual([]);
  });

  it("of uploads do the same in the other direction", async () => {
    const world = setUp({ hopOwner: { maxQueuedBytes: 8 * mebibyte } });
    const bytes = 1.5 * mebibyte;
    world.onServed = (served) => {
      served.isEager = false;
    };
    for (let i = 0; i < 30; i += 1) {
      const visitor = world.visit({ method: "POST" }, true);
      // oxlint-disable no-await-in-loop -- one request after the other
      const served = await world.serve(i);
      await until(() => visitor.heard.length > 0);
      for (const chunk of chunksOf(bytes, [100_000])) visitor.stream?.write(chunk);
      visitor.stream?.end();
      await until(() => served.body.length === mebibyte);
      await turn();
      served.take();
      served.isEager = true;
      await until(() => served.hasEnded);
      // oxlint-enable no-await-in-loop
      served.stream.sendHead({ status: 204, headers: [] }, true);
      expect(served.reset).toBeUndefined();
    }
    expect(await world.settled()).toEqual(nothingHeld);
    expect(world.events).toEqual([]);
  });

  it("that are not taken hold up only their own requests, and no more than windows of them are held", async () => {
    const world = setUp();
    const slow = [world.visit(), world.visit()];
    for (const visitor of slow) visitor.isEager = false;
    const answers = [
      answer(await world.serve(0), 20 * mebibyte),
      answer(await world.serve(1), 20 * mebibyte),
    ];
    const upload = world.visit({ method: "POST" }, true);
    const taker = await world.serve(2);
    taker.isEager = false;
    await until(() => upload.heard.length > 0);
    const sending = upload.send(chunksOf(20 * mebibyte, [65_536])).then(() => upload.stream?.end());
    for (let i = 3; i < 103; i += 1) {
      const swift = world.visit();
      // oxlint-disable no-await-in-loop -- one request after the other
      await answer(await world.serve(i), 100_000);
      await until(() => swift.hasEnded);
      // oxlint-enable no-await-in-loop
      expect(swift.body.length).toBe(100_000);
    }
    const { frontBytes, ownerBytes, tunnelBytes, clientBytes, routeBytes } = world.held;
    // A window for each stream and session. With each chunk some bytes count besides.
    const windows = (count: number): number => count * 1.02 * mebibyte;
    expect(routeBytes).toBe(2 * mebibyte);
    expect(frontBytes).toBeLessThan(windows(2));
    expect(tunnelBytes).toBeLessThan(windows(2));
    expect(ownerBytes).toBeLessThan(windows(1));
    expect(clientBytes).toBeLessThan(windows(1));

    for (const party of [...slow, taker]) {
      party.take();
      party.isEager = true;
    }
    await Promise.all([...answers, sending]);
    await until(() => slow.every(({ hasEnded }) => hasEnded) && taker.hasEnded);
    taker.stream.sendHead({ status: 204, headers: [] }, true);
    expect(await world.settled()).toEqual(nothingHeld);
    expect(world.events).toEqual([]);
  });

  it("are not cut by a client that wants no more of a request while its answer waits", async () => {
    const world = setUp();
    const visitor = world.visit({ method: "POST" }, true);
    visitor.isEager = false;
    const served = await world.serve();
    await until(() => visitor.heard.length > 0);
    served.stream.sendHead(ok);
    for (const chunk of chunksOf(1.5 * mebibyte, [65_536])) served.stream.write(chunk);
    served.stream.end();
    served.stream.reset("no_error", "enough");
    await until(() => visitor.body.length === mebibyte);
    // More of the request comes meanwhile, and nobody wants it.
    await visitor.send([bytesAt(0, 300_000)]);
    await turn();
    expect(visitor.reset).toBeUndefined();
    visitor.take();
    visitor.isEager = true;
    await until(() => visitor.reset !== undefined);
    expect(visitor.heard.slice(-2)).toEqual(["end", "reset no_error: enough"]);
    expect(visitor.body.length).toBe(1.5 * mebibyte);
    expect(await world.settled()).toEqual(nothingHeld);
    expect(world.tunnel.session.heldBytes).toBeLessThan(1_000_000);
  });

  it("of a visitor who leaves then are given up", async () => {
    const world = setUp();
    const visitor = world.visit({ method: "POST" }, true);
    visitor.isEager = false;
    const served = await world.serve();
    served.stream.sendHead(ok);
    for (const chunk of chunksOf(1.5 * mebibyte, [65_536])) served.stream.write(chunk);
    served.stream.end();
    served.stream.reset("no_error", "enough");
    await until(() => visitor.body.length === mebibyte);
    await turn();
    visitor.stream?.reset("cancelled", "the visitor went away");
    expect(await world.settled()).toEqual(nothingHeld);
  });
});

describe("a request over a hop, cut at any byte", () => {
  const bytes = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 300 }) },
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 300_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 5 * mebibyte }) },
  );
  const sizes = fc.array(
    fc.oneof(fc.integer({ min: 50, max: 5_000 }), fc.integer({ min: 4_000, max: 300_000 })),
    { minLength: 1, maxLength: 4 },
  );
  const cut = fc.record({
    by: fc.constantFrom<"visitor" | "client">("visitor", "client"),
    /** Once this end has got so many bytes; it may get fewer. */
    at: bytes,
    code: fc.constantFrom("cancelled" as const, "internal" as const, "no_error" as const),
  });
  const exchange = fc.record({
    requestBytes: bytes,
    responseBytes: bytes,
    sizes,
    upgrade: fc.boolean(),
    slow: fc.constantFrom<"visitor" | "client" | undefined>("visitor", "client", undefined),
    cut: fc.option(cut, { nil: undefined }),
  });
  type Plan = typeof exchange extends fc.Arbitrary<infer T> ? T : never;

  async function play(world: HopWorld, plan: Plan, index: number): Promise<void> {
    const visitor = world.visit({ method: "POST", path: `/${index}`, upgrade: plan.upgrade }, true);
    await until(() => visitor.heard.length > 0 && world.served.some(({ head }) => head.path === `/${index}`));
    const served = world.served.find(({ head }) => head.path === `/${index}`) as Served;
    const ends = { visitor, client: served };
    if (plan.slow !== undefined) ends[plan.slow].isEager = false;
    const { by, at = 0, code = "cancelled" } = plan.cut ?? {};
    let isCut = false;
    /** Looks at each turn, as a visitor's connection does. */
    const look = (): boolean => {
      if (plan.slow !== undefined) ends[plan.slow].take(50_000);
      if (by !== undefined && !isCut && (ends[by].body.length >= at || ends[by].hasEnded)) {
        isCut = true;
        ends[by].stream?.reset(code, "cut by the test");
      }
      const isReset = isCut || visitor.reset !== undefined || served.reset !== undefined;
      return isReset || (visitor.hasEnded && served.hasEnded);
    };
    served.stream.sendHead({ status: plan.upgrade ? 101 : 200, headers: [] });
    if (plan.upgrade) await until(() => look() || visitor.heard.length > 1);
    const sending = [
      visitor.send(chunksOf(plan.requestBytes, plan.sizes)).then(() => visitor.stream?.end()),
      served.send(chunksOf(plan.responseBytes, plan.sizes)).then(() => served.stream.end()),
    ];
    await until(look);
    for (const end of [visitor, served]) {
      end.giveUp();
      // A stream may have ended well at one end before the other end cut it.
      end.isEager = true;
      end.take();
    }
    await Promise.all(sending);
    if (plan.cut === undefined) {
      expect([served.body.length, visitor.body.length]).toEqual([plan.requestBytes, plan.responseBytes]);
    }
    expect(served.body.length).toBeLessThanOrEqual(plan.requestBytes);
    expect(visitor.body.length).toBeLessThanOrEqual(plan.responseBytes);
  }

  it(
    "leaves nothing behind anywhere, and disturbs no other",
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(exchange, { minLength: 1, maxLength: 6 }), async (plans) => {
          const world = new HopWorld();
          try {
            await Promise.all(plans.map((plan, index) => play(world, plan, index)));
            expect(await world.settled()).toEqual(nothingHeld);
            expect(world.events).toEqual([]);
            expect(world.tunnel.counted).toHaveLength(plans.length);
          } finally {
            world.close();
          }
        }),
        runs(120),
      );
    },
    3 * fuzzTimeoutMs,
  );
});
