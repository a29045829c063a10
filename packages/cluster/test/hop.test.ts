import { carriedBy, StreamReset, TunnelError } from "mcp-tunnel-protocol";
import { V1RelaySession } from "mcp-tunnel-protocol/sessions";
import { describe, expect, it } from "vitest";
import { bytesAt } from "../../../test/support/bytes.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { HopWorld, type HopOptions, nothingHeld, turn, until } from "./support/hop-world.js";

const opened = closingAfterEach();
const setUp = (options?: HopOptions) => opened(new HopWorld(options));
const ok = { status: 200, headers: ["Content-Type", "text/plain"] };

describe("a request over a hop", () => {
  it("reaches the client as it was, without a trace of the hop, and is answered", async () => {
    const world = setUp();
    const visitor = world.visit({ path: "/a?b", headers: ["Host", "app.example", "X-A", "1", "x-a", "2"] });
    const served = await world.serve();
    expect(served.head).toEqual({
      method: "GET",
      path: "/a?b",
      headers: ["Host", "app.example", "X-A", "1", "x-a", "2"],
    });
    expect([world.route.streamCount, world.acceptor.open.size]).toEqual([1, 1]);
    served.stream.sendInterim({ status: 103, headers: ["Link", "</x>"] });
    served.stream.sendHead(ok);
    served.stream.write(bytesAt(0, 100_000));
    served.stream.end(["Grpc-Status", "0"]);
    await until(() => visitor.hasEnded);
    expect(visitor.heard).toEqual([
      "accepted",
      "interim 103 Link </x>",
      "head 200 Content-Type text/plain",
      "end Grpc-Status 0",
    ]);
    expect(visitor.body.length).toBe(100_000);
    expect(served.heard).toEqual(["GET /a?b (no body)", "end"]);
    expect(await world.settled()).toEqual(nothingHeld);
    expect(world.tunnel.counted).toEqual([[0, 100_000]]);
  });

  it("sends its body once the relay of the tunnel has taken it, and not before", async () => {
    const world = setUp();
    const visitor = world.visit({ method: "POST" }, true);
    expect(visitor.heard).toEqual([]);
    const served = await world.serve();
    await until(() => visitor.heard.length > 0);
    // The relay's word. What the service says comes besides.
    expect(visitor.heard).toEqual(["accepted"]);
    served.stream.sendInterim({ status: 100, headers: [] });
    await until(() => visitor.heard.length > 1);
    expect(visitor.heard).toEqual(["accepted", "interim 100"]);
    expect(served.body.length).toBe(0);
    await visitor.send([bytesAt(0, 5), bytesAt(5, 70_000)]);
    visitor.stream?.end(["Checksum", "x"]);
    await until(() => served.hasEnded);
    expect(served.body.length).toBe(70_005);
    expect(served.heard).toEqual(["POST /", "end Checksum x"]);
    served.stream.sendHead({ status: 204, headers: [] }, true);
    await until(() => visitor.hasEnded);
    expect(visitor.heard.slice(2)).toEqual(["head 204 (no body)", "end"]);
    expect(await world.settled()).toEqual(nothingHeld);
    expect(world.tunnel.counted).toEqual([[70_005, 0]]);
  });

  it("is told that it is taken also while other interim heads are dropped", async () => {
    const world = setUp({ hopOwner: { maxUnacknowledgedBytes: 10_000 } });
    const large = world.visit();
    const answering = await world.serve();
    world.frontLink.pause();
    answering.stream.sendHead(ok);
    answering.stream.write(bytesAt(0, 50_000));
    await until(() => world.owner.unacknowledgedBytes > 10_000);
    const visitor = world.visit({ method: "POST" }, true);
    const served = await world.serve(1);
    const { session } = world.tunnel;
    const before = (session as V1RelaySession).received;
    served.stream.sendInterim({ status: 103, headers: [] });
    await until(() => (session as V1RelaySession).received > before);
    world.frontLink.resume();
    await until(() => visitor.heard.length > 0 && large.body.length === 50_000);
    expect(visitor.heard).toEqual(["accepted"]);
  });

  it("leaves HTTP, and each direction ends by itself", async () => {
    for (const first of ["visitor", "client"] as const) {
      const world = setUp();
      const visitor = world.visit({ upgrade: true, headers: ["Upgrade", "websocket"] }, true);
      const served = await world.serve();
      expect(served.head).toMatchObject({ upgrade: true, headers: ["Upgrade", "websocket"] });
      served.stream.sendHead({ status: 101, headers: ["Upgrade", "websocket"] });
      await until(() => visitor.heard.length === 2);
      expect(visitor.heard).toEqual(["accepted", "head 101 Upgrade websocket"]);
      await visitor.send([bytesAt(0, 3)]);
      await served.send([bytesAt(0, 4)]);
      await until(() => served.body.length === 3 && visitor.body.length === 4);
      const [one, other] = first === "visitor" ? [visitor, served] : [served, visitor];
      one.stream?.end();
      await until(() => other.hasEnded);
      expect(one.hasEnded).toBe(false);
      await other.send([bytesAt(other === visitor ? 3 : 4, 50_000)]);
      other.stream?.end();
      await until(() => one.hasEnded);
      expect(await world.settled()).toEqual(nothingHeld);
      expect(world.tunnel.counted).toEqual([first === "visitor" ? [3, 50_004] : [50_003, 4]]);
    }
  });

  it("is carried as its tunnel carries it: the original's wire has no upgrades", async () => {
    const world = setUp({ wire: "json" });
    expect(world.route.carries).toBe(carriedBy.json);
    expect(world.route.wire).toBe("json");
    const visitor = world.visit({ method: "POST" }, true);
    await until(() => visitor.heard.length > 0);
    await visitor.send([bytesAt(0, 70_000), bytesAt(70_000, 70_000)]);
    expect(world.served).toEqual([]);
    visitor.stream?.end();
    const served = await world.serve();
    expect(served.body.length).toBe(140_000);
    served.stream.sendHead(ok);
    await served.send([bytesAt(0, 200_000)]);
    served.stream.end();
    await until(() => visitor.hasEnded);
    expect(visitor.body.length).toBe(200_000);
    expect(visitor.heard).toEqual(["accepted", "head 200 Content-Type text/plain", "end"]);
    expect(await world.settled()).toEqual(nothingHeld);
    expect(world.tunnel.counted).toEqual([[140_000, 200_000]]);
  });

  it("may be reset while it is opened", async () => {
    const world = setUp();
    world.tunnel.open = (_head, _end, handler) => {
      handler.onReset(new StreamReset("bad_message", "The request cannot travel"));
      return world.front.open({ method: "GET", path: "/", headers: [] }, true, handler);
    };
    const visitor = world.visit({ method: "POST" }, true);
    await until(() => visitor.reset !== undefined);
    expect(visitor.heard).toEqual(["reset bad_message: The request cannot travel"]);
    expect(await world.settled()).toEqual(nothingHeld);
    expect(world.tunnel.counted).toEqual([[0, 0]]);
  });

  it("may be answered before it has ended, and the client says when it wants no more", async () => {
    const world = setUp();
    const visitor = world.visit({ method: "POST" }, true);
    const served = await world.serve();
    served.stream.sendHead({ status: 413, headers: [] }, true);
    await until(() => visitor.hasEnded);
    await visitor.send([bytesAt(0, 100)]);
    await until(() => served.body.length === 100);
    served.stream.reset("no_error", "enough");
    await until(() => visitor.reset !== undefined);
    expect(visitor.heard).toEqual(["accepted", "head 413 (no body)", "end", "reset no_error: enough"]);
    expect(await world.settled()).toEqual(nothingHeld);
    expect(world.tunnel.counted).toEqual([[100, 0]]);
  });
});

describe("a request that cannot be taken", () => {
  it("is refused, and nothing was done, if the relay has another tunnel of the name, or none", async () => {
    const world = setUp();
    Object.assign(world.entry, { gen: world.entry.gen + 1 });
    const visitor = world.visit({ method: "POST" }, true);
    await until(() => visitor.heard.length > 0);
    expect(visitor.heard).toEqual(["refused"]);
    expect(world.refusals).toEqual(["moved"]);
    expect(world.served).toEqual([]);
    expect(await world.settled()).toEqual(nothingHeld);
    expect(world.tunnel.counted).toEqual([]);
  });

  it("is refused while the tunnel is away, and taken when it is back", async () => {
    const world = setUp();
    world.tunnel.isAway = true;
    const visitor = world.visit();
    await until(() => visitor.heard.length > 0);
    expect([visitor.heard, world.refusals]).toEqual([["refused"], ["away"]]);
    world.tunnel.isAway = false;
    const again = world.visit();
    (await world.serve()).stream.sendHead({ status: 204, headers: [] }, true);
    await until(() => again.hasEnded);
    expect(again.heard).toEqual(["accepted", "head 204 (no body)", "end"]);
    expect(await world.settled()).toEqual(nothingHeld);
  });

  it.each(["session_closed", "draining"] as const)("is refused if its tunnel says %s", async (code) => {
    const world = setUp();
    world.tunnel.open = () => {
      throw new TunnelError(code, "gone");
    };
    const visitor = world.visit();
    await until(() => visitor.heard.length > 0);
    expect([visitor.heard, world.refusals]).toEqual([["refused"], ["away"]]);
    expect(await world.settled()).toEqual(nothingHeld);
  });

  it("is told if the token of the tunnel has had its requests, and nothing was done", async () => {
    const world = setUp();
    const { open } = world.tunnel;
    world.tunnel.open = () => {
      throw new TunnelError("rate_limited", "so many a second");
    };
    const visitors = [world.visit(), world.visit({ method: "POST" })];
    await until(() => visitors.every(({ heard }) => heard.length > 0));
    expect(visitors.map(({ heard }) => heard)).toEqual([["limited"], ["limited"]]);
    // What is known of the tunnel is right, and the relay of the tunnel tells the client.
    expect([world.refusals, world.tunnel.told]).toEqual([[], []]);
    expect(await world.settled()).toEqual(nothingHeld);
    world.tunnel.open = open;
    const again = world.visit();
    (await world.serve()).stream.sendHead({ status: 204, headers: [] }, true);
    await until(() => again.hasEnded);
  });

  it("is answered, and the client is told, if the tunnel has all the streams that it may have", async () => {
    const world = setUp({ tunnel: { maxStreams: 1 } });
    const first = world.visit();
    const served = await world.serve();
    const second = world.visit({ method: "PUT", path: "/x?secret" });
    await until(() => second.reset !== undefined);
    expect(second.heard).toEqual(["reset overloaded: the tunnel already carries 1 streams"]);
    expect(world.refusals).toEqual([]);
    expect(world.tunnel.told).toEqual([
      { code: "tunnel_overloaded", status: 503, count: 1, method: "PUT", path: "/x", limit: undefined },
    ]);
    served.stream.sendHead({ status: 204, headers: [] }, true);
    await until(() => first.hasEnded);
    expect(await world.settled()).toEqual(nothingHeld);
  });

  it("waits while there is no link to the relay: what was asked of the link is asked again", async () => {
    const world = setUp();
    expect(world.route.isAway).toBe(false);
    world.peer.session = undefined;
    expect(world.route.isAway).toBe(true);
    const visitor = world.visit({ method: "POST" }, true);
    // Not before `open` has returned.
    expect(visitor.heard).toEqual([]);
    await turn();
    expect([visitor.heard, world.refusals]).toEqual([["refused"], ["unreachable"]]);
    visitor.stream?.write(Buffer.from("lost"));
    visitor.stream?.end();
    visitor.stream?.consumed(1);
    expect(world.held).toEqual(nothingHeld);
  });

  it.each<[string, (world: HopWorld) => Promise<void>]>([
    ["that is over", async (world) => world.front.close(1000, "")],
    [
      "whose other end takes no more",
      async (world) => {
        world.owner.goaway();
        await turn();
      },
    ],
  ])("is refused on a session %s", async (_name, end) => {
    const world = setUp();
    await end(world);
    expect(world.route.isAway).toBe(false);
    const visitor = world.visit();
    await turn();
    expect([visitor.heard, world.refusals]).toEqual([["refused"], ["unreachable"]]);
    expect(world.route.streamCount).toBe(0);
    // Others wait for the next session, and do not ask this one in turns.
    expect(world.route.isAway).toBe(true);
    world.peer.session = new V1RelaySession({ onClose() {} }, { liveness: { pingIntervalMs: 0 } });
    expect(world.route.isAway).toBe(false);
  });

  it("is not refused any more once the visitor has left", async () => {
    const world = setUp();
    world.peer.session = undefined;
    const visitor = world.visit();
    visitor.stream?.reset("cancelled");
    await turn();
    expect([visitor.heard, world.refusals, world.route.streamCount]).toEqual([[], [], 0]);
  });

  it("fails at once if the session to the relay has no room, or if the head is too long for a hop", () => {
    const world = setUp({ hop: { maxStreams: 1 } });
    const long = { headers: ["X", "x".repeat(262_144)] };
    expect(() => world.visit(long)).toThrow(expect.objectContaining({ code: "head_too_large" }));
    world.visit();
    expect(() => world.visit()).toThrow(expect.objectContaining({ code: "overloaded" }));
    expect(world.route.streamCount).toBe(1);
  });

  it("is no request of a relay without the field of the hop, or with one that says nothing", async () => {
    const world = setUp();
    for (const headers of [[], ["Host", "x"], ["X-Tunnel-Hop", "app"], ["X-Tunnel-Hop", "app 1.5"]]) {
      const reset = new Promise<string>((resolve) => {
        const handler = { onData() {}, onEnd() {}, onReset: ({ code }: { code: string }) => resolve(code) };
        world.front.open({ method: "GET", path: "/", headers }, true, handler);
      });
      // oxlint-disable-next-line no-await-in-loop -- one request after the other
      expect(await reset).toBe("bad_message");
    }
    expect(world.served).toEqual([]);
    expect(await world.settled()).toEqual(nothingHeld);
  });
});

describe("a reset", () => {
  it.each(["cancelled", "upstream_timeout", "body_too_large", "bad_message"] as const)(
    "of the visitor's side with %s reaches the client",
    async (code) => {
      const world = setUp();
      const visitor = world.visit({ method: "POST" }, true);
      const served = await world.serve();
      await visitor.send([bytesAt(0, 10)]);
      visitor.stream?.reset(code, "why");
      await until(() => served.reset !== undefined);
      expect(served.heard.at(-1)).toBe(`reset ${code}: why`);
      expect(await world.settled()).toEqual(nothingHeld);
    },
  );

  it.each(["upstream_unreachable", "upstream_failed", "body_too_large", "overloaded", "internal"] as const)(
    "of the client with %s reaches the visitor's side",
    async (code) => {
      const world = setUp();
      const visitor = world.visit();
      const served = await world.serve();
      served.stream.reset(code, "why");
      await until(() => visitor.reset !== undefined);
      expect(visitor.heard).toEqual([`reset ${code}: why`]);
      expect(await world.settled()).toEqual(nothingHeld);
      expect(world.tunnel.counted).toEqual([[0, 0]]);
    },
  );

  it("of a client that refuses a stream is the client's word, and not the relay's", async () => {
    const world = setUp();
    const visitor = world.visit();
    (await world.serve()).stream.reset("refused", "the client already serves 5 streams");
    await until(() => visitor.reset !== undefined);
    expect(visitor.heard).toEqual(["accepted", "reset refused: the client already serves 5 streams"]);
    expect(world.refusals).toEqual([]);
  });

  it("with `refused` after the request was taken is passed on", async () => {
    const world = setUp();
    const visitor = world.visit({ method: "POST" }, true);
    await until(() => visitor.heard.length > 0);
    const [exchange] = world.acceptor.open.toArray();
    expect(exchange?.route).toBe(world.tunnel);
    (await world.serve()).stream.reset("refused");
    await until(() => visitor.reset !== undefined);
    expect([visitor.heard, world.refusals]).toEqual([["accepted", "reset refused: "], []]);
  });

  it("follows the loss of either session", async () => {
    const world = setUp();
    const visitors = [world.visit(), world.visit({ method: "POST" }, true)];
    const served = [await world.serve(0), await world.serve(1)];
    world.front.close(1000, "the relay goes");
    await until(() => served.every(({ reset }) => reset !== undefined));
    expect(visitors.map(({ reset }) => reset?.code)).toEqual(["session_lost", "session_lost"]);
    // The client hears the same as when a visitor of its own relay leaves.
    expect(served.map(({ reset }) => reset?.code)).toEqual(["cancelled", "cancelled"]);
    expect(world.acceptor.open.size).toBe(0);

    const other = setUp();
    const lonely = other.visit();
    await other.serve();
    other.client.close(1000, "the client goes");
    await until(() => lonely.reset !== undefined);
    expect(lonely.reset?.code).toBe("session_lost");
    expect(await other.settled()).toEqual(nothingHeld);
  });
});
