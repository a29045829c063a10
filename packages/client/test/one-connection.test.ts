import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { maxIdleMs, maxIdleToRepeatMs } from "../src/service/http/idle-connections.js";
import { visit } from "./relay-side.js";
import { ok, startScripted } from "./scripted-service.js";
import type { Scripted } from "./scripted-service.js";

const closing = closingAfterEach();

const start = async (...args: Parameters<typeof startScripted>) => closing(await startScripted(...args));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a service that serves one connection at a time", () => {
  /** Six files are asked for at once, and one has come. The others wait until the connection is closed. */
  async function startSix(): Promise<Scripted & { rest(): Promise<void> }> {
    let first: Socket | undefined;
    const service = await start((socket, { connection }) => {
      if (connection === 1) first = socket;
      else socket.write(ok);
    }, true);
    const visits = Array.from({ length: 6 }, () => visit(service.rig.relay).complete());
    await service.connected(6);
    first?.write(ok);
    await visits[0];
    return {
      ...service,
      async rest() {
        for (const each of visits.slice(1)) {
          vi.advanceTimersByTime(maxIdleMs);
          await each;
        }
      },
    };
  }

  it("answers six requests, with no longer pauses than half a second", async () => {
    const { seen, rest } = await startSix();
    await rest();
    expect(seen.map(({ connection }) => connection)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("is left its connection for that time", async () => {
    const { sockets, rest } = await startSix();
    vi.advanceTimersByTime(maxIdleMs - 1);
    const [first] = sockets as [Socket];
    const closed = once(first, "close");
    // What was to happen at once has happened by the time that another service's connection is closed.
    const { rig, sockets: others } = await start((socket) => socket.end(ok));
    await visit(rig.relay).complete();
    await Promise.all(others.map((socket) => once(socket, "close")));
    expect(first.closed).toBe(false);
    vi.advanceTimersByTime(1);
    await closed;
    await rest();
  });

  it("answers the next request at once, over the connection that it serves", async () => {
    const { rig, seen, rest } = await startSix();
    await rest();
    expect((await visit(rig.relay).complete()).text).toBe("ok");
    expect(seen.at(-1)).toMatchObject({ connection: 6, nth: 2 });
  });

  it.each([
    ["a POST", { method: "POST", body: Buffer.from("pay") }],
    ["a GET", {}],
    [
      "a request on a connection of its own",
      { headers: ["Host", "demo.relay.test", "Expect", "100-continue"] },
    ],
  ])("answers %s half a second after it came, if the connection is another's", async (_what, request) => {
    const { rig, seen, connected, rest } = await startSix();
    await rest();
    // This one takes the connection that the service serves.
    const quick = visit(rig.relay);
    const late = visit(rig.relay, request);
    await connected(7);
    await quick.complete();
    vi.advanceTimersByTime(maxIdleMs);
    expect((await late.complete()).text).toBe("ok");
    expect(seen.at(-1)).toMatchObject({ connection: 7, nth: 1 });
  });
});

describe("idle connections to a service that serves all of them", () => {
  /** Answers, or the beginnings of them, by path. To / it answers two requests at a time, to /wait none. */
  const answers: Readonly<Record<string, string>> = {
    "/events": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
    "/early": "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n",
    "/upgrade": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
  };

  async function startPairs(): Promise<Scripted> {
    const pair: Socket[] = [];
    return start((socket, { path }) => {
      const answer = answers[path];
      if (answer !== undefined) socket.write(answer);
      else if (path === "/reset") socket.resetAndDestroy();
      else if (path === "/" && pair.push(socket) === 2) for (const each of pair.splice(0)) each.write(ok);
    });
  }

  async function visitTwice({ rig }: Scripted): Promise<void> {
    await Promise.all([visit(rig.relay).complete(), visit(rig.relay).complete()]);
  }

  /** Asks for /wait, over one of two idle connections. */
  async function askOne({ rig, sockets, asked }: Scripted) {
    const waiting = visit(rig.relay, { path: "/wait" });
    const { connection } = await asked("/wait");
    const [first, second] = sockets as [Socket, Socket];
    return { waiting, ...(connection === 1 ? { own: first, idle: second } : { own: second, idle: first }) };
  }

  const longMs = maxIdleToRepeatMs - 1_000;

  it("are kept while nothing waits, and through the next requests", async () => {
    const service = await startPairs();
    for (let i = 0; i < 3; i++) {
      await visitTwice(service);
      vi.advanceTimersByTime(longMs);
    }
    expect(service.sockets.length).toBe(2);
  });

  it("are closed when a request has waited for half a second", async () => {
    const service = await startPairs();
    await visitTwice(service);
    const { waiting, own, idle } = await askOne(service);
    const closed = once(idle, "close");
    vi.advanceTimersByTime(maxIdleMs);
    await closed;
    // Its own connection is not idle.
    own.write(ok);
    expect((await waiting.complete()).text).toBe("ok");
  });

  it("are closed half a second after their last answer while a request waits", async () => {
    const service = await startPairs();
    await visitTwice(service);
    const { idle } = await askOne(service);
    vi.advanceTimersByTime(maxIdleMs - 200);
    await visitTwice(service);
    const closed = once(idle, "close");
    vi.advanceTimersByTime(maxIdleMs);
    await closed;
  });

  const upgrade = { upgrade: true, headers: ["Host", "demo.relay.test", "Upgrade", "echo"] };
  /** A request takes one of the two connections, or one of its own, and waits no longer. */
  const outcomes: [string, (service: Scripted) => Promise<unknown>][] = [
    [
      "has its head",
      ({ rig }) => visit(rig.relay, { path: "/events" }).until(({ head }) => head !== undefined),
    ],
    [
      "has an interim head",
      ({ rig }) => visit(rig.relay, { path: "/early" }).until(({ interims }) => interims.length > 0),
    ],
    [
      "is an upgraded connection",
      ({ rig }) => visit(rig.relay, { path: "/upgrade", ...upgrade }).until(({ head }) => head !== undefined),
    ],
    ["will not come", ({ rig }) => visit(rig.relay, { method: "POST", path: "/reset" }).cut()],
    ["will not come to an upgrade", ({ rig }) => visit(rig.relay, { path: "/reset", ...upgrade }).cut()],
    [
      "is not wanted any more",
      async (service) => {
        const { waiting, own } = await askOne(service);
        const closed = once(own, "close");
        waiting.stream.reset("cancelled");
        await closed;
      },
    ],
  ];

  it.each(outcomes)("are kept if the answer to another request %s", async (_what, begin) => {
    const service = await startPairs();
    await visitTwice(service);
    await begin(service);
    vi.advanceTimersByTime(longMs);
    service.seen.length = 0;
    await visitTwice(service);
    // The second request on one of the first two.
    expect(service.seen).toContainEqual(expect.objectContaining({ nth: 2 }));
  });
});
