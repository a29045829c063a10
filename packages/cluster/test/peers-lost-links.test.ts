import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { type FaultProxy, startFaultProxy } from "../../../test/support/fault-proxy.js";
import { deferred, quickPings, request, TestRelay, type TestRelayOptions } from "./peers-rig.js";

const closing = closingAfterEach();

/** A relay, another one, and a proxy on the way from the first to the second. */
async function apart(
  options: TestRelayOptions = {},
): Promise<{ a: TestRelay; b: TestRelay; proxy: FaultProxy }> {
  const b = await closing(new TestRelay("b", options)).listen();
  const proxy = closing(await startFaultProxy(Number(b.address.split(":")[1])));
  const a = await closing(new TestRelay("a", options)).listen();
  a.links.setNodes([{ ...b.info, address: `127.0.0.1:${proxy.port}` }]);
  await a.linked("b");
  return { a, b, proxy };
}

describe("a link that is cut", () => {
  it.each(["up", "down"] as const)("is made again, and streams lose nothing (%s)", async (direction) => {
    const { a, b, proxy } = await apart();
    const body = randomBytes(8_000_000);
    // Another place each time: within a head, a frame, a message.
    let cuts = 0;
    proxy.onCut = () => {
      cuts += 1;
      if (cuts < 7) proxy.cutAfter(direction, 10_000 + 170_001 * cuts);
    };
    proxy.cutAfter(direction, 5);
    const peer = await a.linked("b");
    const answer = await request(peer, body);
    expect(answer.body.equals(body)).toBe(true);
    expect(cuts).toBe(7);
    expect(b.log.matching(/has begun a session/)).toHaveLength(1);
    expect(b.log.matching(/has resumed its session/).length).toBeGreaterThan(0);
  });

  it("is no link, until there is another one", async () => {
    const { a, proxy } = await apart();
    const peer = await a.linked("b");
    proxy.refusing = true;
    proxy.cut();
    await a.log.line(/the link to another relay is lost/);
    expect(peer.session).toBeUndefined();
    await expect(peer.ask("tunnels", null, 1_000)).rejects.toMatchObject({ code: "unavailable" });
    await a.log.line(/no link to another relay/);
    proxy.refusing = false;
    await a.linked("b");
    expect(await peer.ask("tunnels", 1, 5_000)).toMatchObject({ by: "b", body: 1 });
    // One line for an outage, however many attempts it took.
    expect(a.log.matching(/no link to another relay/)).toHaveLength(1);
  });

  it("ends the session if it does not come back in time, and another session begins", async () => {
    const { a, b, proxy } = await apart({ resumeTimeoutMs: 100, liveness: quickPings });
    const peer = await a.linked("b");
    const open = openStream(a);
    await open.answered;
    proxy.refusing = true;
    proxy.cut();
    await expect(open.ended).rejects.toMatchObject({ code: "session_lost" });
    await b.log.line(/session of a relay is over.*did not come back in 220 ms/);
    proxy.refusing = false;
    await a.linked("b");
    expect((await request(peer, Buffer.from("x"))).body.toString()).toBe("x");
    expect(b.log.matching(/has begun a session/)).toHaveLength(2);
  });

  it("ends the session if the other relay has given it up", async () => {
    const { a, b, proxy } = await apart({ resumeTimeoutMs: 60_000 });
    const open = openStream(a);
    await open.answered;
    proxy.refusing = true;
    proxy.cut();
    const port = Number(b.address.split(":")[1]);
    await b.close();
    // The same id, but nothing of what the relay knew.
    await closing(new TestRelay("b", { listen: { host: "127.0.0.1", port } })).listen();
    proxy.refusing = false;
    await expect(open.ended).rejects.toMatchObject({
      code: "session_lost",
      message: "the other relay has given up the session",
    });
    expect((await request(await a.linked("b"), Buffer.from("x"))).body.toString()).toBe("x");
  });
});

describe("a link that is half open", () => {
  it("is found by pings at both ends, and replaced without a loss", async () => {
    const { a, b, proxy } = await apart({ liveness: quickPings });
    const open = openStream(a);
    await open.answered;
    proxy.halfOpen();
    await a.log.line(/the link to another relay is lost.*the link has gone silent/);
    await a.linked("b");
    open.end("the rest");
    expect(await open.ended).toBe("the rest");
    // A busy machine may take a good link for a silent one as well, with pings this quick.
    expect(b.log.matching(/has resumed its session/).length).toBeGreaterThan(0);
    expect(b.log.matching(/has begun a session/)).toHaveLength(1);
  });

  it("costs a stream that waits no more than the pings take", async () => {
    const { a, proxy } = await apart({ liveness: quickPings });
    proxy.halfOpen();
    const answer = request(await a.linked("b"), Buffer.from("sent into the void"));
    expect((await answer).body.toString()).toBe("sent into the void");
  });

  it("ends all sessions with the other relay at once, both ways, if nobody listens at its address", async () => {
    const { a, b, proxy } = await apart({ resumeTimeoutMs: 60_000 });
    const back = closing(await startFaultProxy(Number(a.address.split(":")[1])));
    b.links.setNodes([{ ...a.info, address: `127.0.0.1:${back.port}` }]);
    await b.linked("a");
    const open = openStream(a);
    await open.answered;
    // The relay dies: its connections end, and so does the listener. Its own dials come to nothing.
    back.refusing = true;
    back.cut();
    await proxy.close();
    await expect(open.ended).rejects.toMatchObject({ code: "session_lost" });
    await a.log.line(/session of a relay is over.*the relay has ended/);
  });

  it("that is being made is given up in time", async () => {
    const b = await closing(new TestRelay("b")).listen();
    const proxy = closing(await startFaultProxy(Number(b.address.split(":")[1])));
    proxy.delayMs = 60_000;
    const a = await closing(new TestRelay("a", { handshakeTimeoutMs: 100 })).listen();
    a.links.setNodes([{ ...b.info, address: `127.0.0.1:${proxy.port}` }]);
    await a.log.line(/no link to another relay.*no handshake within 100 ms/);
    proxy.delayMs = 0;
    await a.linked("b");
  });
});

/** A stream that stays open until `end`. */
function openStream(relay: TestRelay): {
  answered: Promise<void>;
  ended: Promise<string>;
  end(rest: string): void;
} {
  const session = relay.links.get("b")?.session;
  if (session === undefined) throw new Error("there is no link");
  const { promise: answered, resolve: onAnswer } = deferred<void>();
  const { promise: ended, resolve, reject } = deferred<string>();
  ended.catch(() => {});
  let text = "";
  const stream = session.open({ method: "POST", path: "/", headers: [] }, false, {
    onHead: () => onAnswer(undefined),
    onData: (chunk) => {
      text += chunk.toString();
      stream.consumed(chunk.length);
    },
    onEnd: () => resolve(text),
    onReset: reject,
  });
  return {
    answered,
    ended,
    end(rest) {
      stream.write(Buffer.from(rest));
      stream.end();
    },
  };
}
