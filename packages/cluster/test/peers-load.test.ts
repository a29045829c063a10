import { describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { deferred, request, TestRelay } from "./peers-rig.js";

const closing = closingAfterEach();

async function pair(): Promise<[TestRelay, TestRelay]> {
  const [a, b] = [await closing(new TestRelay("a")).listen(), await closing(new TestRelay("b")).listen()];
  a.links.setNodes([a.info, b.info]);
  return [a, b];
}

describe("one link", () => {
  it("carries thousands of streams at once", async () => {
    const [a] = await pair();
    const peer = await a.linked("b");
    const open = 8_000;
    let answered = 0;
    let ended = 0;
    const streams: { end(): void }[] = [];
    await new Promise<void>((resolve, reject) => {
      for (let i = 0; i < open; i += 1) {
        const stream = peer.session?.open({ method: "POST", path: `/${i}`, headers: [] }, false, {
          onHead: () => {
            answered += 1;
            if (answered === open) resolve();
          },
          onData: () => {},
          onEnd: () => (ended += 1),
          onReset: reject,
        });
        if (stream !== undefined) streams.push(stream);
      }
    });
    expect(peer.session?.streamCount).toBe(open);
    // Beside them, a request passes.
    expect((await request(peer, Buffer.from("quick"))).body.toString()).toBe("quick");
    for (const stream of streams) stream.end();
    await peer.session?.idle();
    expect(ended).toBe(open);
  });

  it("changes to another session when the ids of streams run low, and cuts no stream", async () => {
    const [a, b] = await pair();
    const peer = await a.linked("b");
    const first = peer.session as { lastStreamId?: number } & typeof peer.session;
    // As if four billion requests had passed.
    first.lastStreamId = 0xf000_0000 - 3;
    let body = "";
    const { promise: ended, resolve, reject } = deferred<void>();
    const stream = first.open({ method: "POST", path: "/", headers: [] }, false, {
      onData: (chunk) => {
        body += chunk.toString();
      },
      onEnd: () => resolve(undefined),
      onReset: reject,
    });
    for (let i = 0; i < 10; i += 1) await request(peer, Buffer.from("x"));
    await vi.waitUntil(() => peer.session !== first);
    expect((await request(peer, Buffer.from("on the next session"))).status).toBe(200);
    expect(b.log.matching(/has begun a session/)).toHaveLength(2);
    stream.write(Buffer.from("still open"));
    stream.end();
    await ended;
    expect(body).toBe("still open");
    await b.log.line(/session of a relay is over/);
  });
});
