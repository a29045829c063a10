import { describe, expect, it, vi } from "vitest";
import type { AcceptedStream, StreamHandler } from "mcp-tunnel-protocol";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { startUpstream } from "../../../test/support/upstream.js";
import type { ExchangeObserver, ExchangeStart } from "../src/service/observer.js";
import { ignored } from "../src/service/service.js";
import type { ServedTunnel, Service } from "../src/service/service.js";
import { startRig, visit } from "./relay-side.js";
import type { Rig } from "./relay-side.js";

const closing = closingAfterEach();

/** A service whose work on each stream the test decides. */
function service(accept: (stream: AcceptedStream) => StreamHandler, open = () => 0): Service {
  return {
    accept,
    get open() {
      return open();
    },
    close: async () => {},
  };
}

function startWith(made: Service, maxStreams = 10, tunnel: Partial<ServedTunnel> = {}): Rig {
  return closing(startRig({ service: made, maxStreams }, undefined, tunnel));
}

/** A gate that answers at once, and takes nothing of the request. */
function refuse(stream: AcceptedStream): StreamHandler {
  stream.sendHead({ status: 401, headers: ["WWW-Authenticate", "Bearer"] });
  stream.write(Buffer.from("no"));
  stream.end();
  stream.reset("no_error");
  return ignored;
}

describe("a service of the user's own", () => {
  it("may answer before it has returned", async () => {
    const rig = startWith(service(refuse));
    const streams = [
      visit(rig.relay),
      visit(rig.relay, { method: "POST", body: Buffer.from("a body") }),
      visit(rig.relay, { method: "POST", body: "open" }),
    ];
    for (const stream of streams) expect((await stream.complete()).text).toBe("no");
    await vi.waitFor(() => expect(rig.events.length).toBe(3));
    for (const event of rig.events) expect(event).toMatchObject({ status: 401, error: undefined });
    expect(rig.relay.streamCount).toBe(0);
  });

  it("costs one request when it throws, and its user is told", async () => {
    const error = new Error("secret");
    const rig = startWith(
      service(() => {
        throw error;
      }),
    );
    for (let i = 0; i < 2; i++) {
      const reset = await visit(rig.relay).cut();
      expect([reset.code, reset.message]).toEqual(["internal", "the service failed"]);
    }
    expect(rig.faults).toEqual([error, error]);
    expect(rig.events).toMatchObject([{ error: { code: "internal" } }, { error: { code: "internal" } }]);
  });

  it.each<[string, (stream: AcceptedStream) => void]>([
    ["a body", (stream) => stream.write(Buffer.from("body"))],
    ["an end", (stream) => stream.end()],
  ])("costs one request when it sends %s before a head, and not the session", async (_what, act) => {
    const onReset = vi.fn<StreamHandler["onReset"]>();
    const rig = startWith(
      service((stream) => {
        act(stream);
        return { ...ignored, onReset };
      }),
    );
    for (let i = 0; i < 2; i++) expect((await visit(rig.relay).cut()).code).toBe("internal");
    expect(rig.events).toMatchObject([{ status: 502 }, { status: 502 }]);
    expect(onReset).toHaveBeenCalledTimes(2);
  });

  it.each<[string, unknown]>([
    ["text", "body"],
    ["long text", "body".repeat(100_000)],
    ["another kind of bytes", new Uint8Array([65, 66])],
    ["nothing", undefined],
  ])("costs one request when its body is %s, of which the visitor gets no byte", async (_what, chunk) => {
    const rig = startWith(
      service((stream) => {
        stream.sendHead({ status: 200, headers: [] });
        stream.write(chunk as Buffer);
        stream.end();
        return ignored;
      }),
    );
    for (let i = 0; i < 2; i++) {
      const stream = visit(rig.relay);
      expect((await stream.cut()).code).toBe("internal");
      expect(stream.body.length).toBe(0);
    }
    expect(rig.events).toMatchObject([{ error: { code: "internal" } }, { error: { code: "internal" } }]);
  });

  it("breaks nothing by a wrong sum of what it has consumed", async () => {
    const rig = startWith(
      service((stream) => ({
        ...ignored,
        onData(chunk) {
          stream.consumed(Number.NaN);
          stream.consumed(-1);
          stream.consumed(2 * chunk.length);
        },
        onEnd: () => void refuse(stream),
      })),
    );
    for (let i = 0; i < 2; i++) {
      const stream = visit(rig.relay, { method: "POST", body: Buffer.from("a body") });
      expect((await stream.complete()).head?.status).toBe(401);
    }
  });

  it("answers once, whatever it says afterwards", async () => {
    const rig = startWith(
      service((stream) => {
        refuse(stream);
        stream.sendInterim({ status: 103, headers: [] });
        stream.sendHead({ status: 200, headers: [] });
        stream.write(Buffer.from("more"));
        stream.end();
        stream.reset("upstream_failed", "too late");
        return ignored;
      }),
    );
    const done = await visit(rig.relay).complete();
    expect([done.head?.status, done.text, done.interims]).toEqual([401, "no", []]);
    await vi.waitFor(() => expect(rig.events).toMatchObject([{ status: 401, error: undefined }]));
  });

  it("that gives up without an answer has failed", async () => {
    const rig = startWith(
      service((stream) => {
        stream.reset("no_error");
        return ignored;
      }),
    );
    await visit(rig.relay).cut();
    expect(rig.events).toMatchObject([{ status: 502, error: { code: "no_error" } }]);
  });

  it("is told in a later turn that the relay would not pass its answer on", async () => {
    const onReset = vi.fn<StreamHandler["onReset"]>();
    const accepted = vi.fn();
    const made = service((stream) => {
      stream.sendHead({ status: 200, headers: ["Content-Length", "11"] });
      expect(onReset).not.toHaveBeenCalled();
      accepted();
      return { ...ignored, onReset };
    });
    const rig = startWith(made, 10, { maxResponseBody: 10 });
    expect((await visit(rig.relay).cut()).code).toBe("body_too_large");
    expect(accepted).toHaveBeenCalled();
    expect(onReset).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: "body_too_large" }));
    expect(rig.events).toMatchObject([{ status: 502, error: { code: "body_too_large" } }]);
  });

  it("may stream events without end, whatever length the relay takes", async () => {
    const headers = ["Content-Type", "text/event-stream", "Content-Length", "11"];
    const made = service((stream) => {
      stream.sendHead({ status: 200, headers });
      return ignored;
    });
    const rig = startWith(made, 10, { maxResponseBody: 10 });
    const stream = visit(rig.relay);
    await stream.until(() => stream.head !== undefined);
    expect(stream.head?.status).toBe(200);
  });

  it("gets no new requests while it is at work for too many visitors who have left", async () => {
    let atWork = 0;
    const held = (): StreamHandler => {
      atWork += 1;
      return ignored;
    };
    const rig = startWith(
      service(held, () => atWork),
      3,
    );
    for (let i = 0; i < 4; i++) {
      visit(rig.relay).stream.reset("cancelled");
      await vi.waitFor(() => expect(rig.events.length).toBe(i + 1));
    }
    expect((await visit(rig.relay).cut()).code).toBe("overloaded");
    atWork = 0;
    visit(rig.relay);
    await vi.waitFor(() => expect(atWork).toBe(1));
  });

  it("sees no request that is not fit to be sent on", async () => {
    const accept = vi.fn(refuse);
    const rig = startWith(service(accept));
    const reset = await visit(rig.relay, { path: "http://evil.test/" }).cut();
    expect(reset.code).toBe("bad_message");
    expect(accept).not.toHaveBeenCalled();
  });

  it("knows its tunnel, the same for all of a session", async () => {
    const tunnels: ServedTunnel[] = [];
    const made: Service = {
      ...service(refuse),
      accept(stream, _head, _end, tunnel) {
        tunnels.push(tunnel);
        return refuse(stream);
      },
    };
    const rig = startWith(made);
    await visit(rig.relay).complete();
    await visit(rig.relay).complete();
    expect(tunnels[0]).toMatchObject({ url: "https://demo.relay.test", isVisitorOwn: true });
    expect(tunnels[1]).toBe(tunnels[0]);
  });
});

describe("an observer of exchanges", () => {
  /** Observes all exchanges of a service on a port, and writes each call as a line. */
  async function observed(): Promise<{ rig: Rig; starts: ExchangeStart[]; told: string[] }> {
    const upstream = closing(await startUpstream());
    const [starts, told]: [ExchangeStart[], string[]] = [[], []];
    const observer: ExchangeObserver = {
      onRequestData: (chunk) => told.push(`> ${chunk}`),
      onRequestEnd: (trailers) => told.push(`> end ${trailers}`),
      onInterim: ({ status }) => told.push(`< ${status}`),
      onHead: ({ status, headers }, end) => {
        const location = headers[headers.findIndex((name) => name.toLowerCase() === "location") + 1];
        told.push(`< ${status}${status === 302 ? ` ${location}` : ""}${end ? " whole" : ""}`);
      },
      onData: (chunk) => told.push(`< ${chunk}`),
      onEnd: (trailers) => told.push(`< end ${trailers}`),
      onOver: ({ status, error }) => told.push(`over ${status} ${error?.code}`),
    };
    const observeExchange = (exchange: ExchangeStart): ExchangeObserver => {
      starts.push(exchange);
      return observer;
    };
    return { rig: closing(startRig({ port: upstream.port, observeExchange })), starts, told };
  }

  it("is told of everything, in order, once", async () => {
    const { rig, starts, told } = await observed();
    await visit(rig.relay, { method: "POST", path: "/echo?a", body: Buffer.from("hello") }).complete();
    await vi.waitFor(() => expect(rig.events.length).toBe(1));
    const [first] = starts;
    expect(first).toMatchObject({ id: 1, head: { method: "POST", path: "/echo?a" } });
    expect(first?.tunnel.url).toBe("https://demo.relay.test");
    expect(first?.startedAtMs).toBeLessThanOrEqual(performance.now());
    expect(told).toEqual(["> hello", "> end ", "< 200", "< hello", "< end ", "over 200 undefined"]);
  });

  it("is told of interim heads, trailers, and answers without a body", async () => {
    const { rig, starts, told } = await observed();
    await visit(rig.relay, { path: "/hints" }).complete();
    await visit(rig.relay, { path: "/trailers" }).complete();
    await visit(rig.relay, { path: "/status/204" }).complete();
    await vi.waitFor(() => expect(rig.events.length).toBe(3));
    expect(starts.map(({ id }) => id)).toEqual([1, 2, 3]);
    expect(told).toEqual([
      ...["> end ", "< 103", "< 200", "< hinted\n", "< end ", "over 200 undefined"],
      ...["> end ", "< 200", "< body\n", "< end X-Checksum,abc,X-Late,yes", "over 200 undefined"],
      ...["> end ", "< 204 whole", "< end ", "over 204 undefined"],
    ]);
  });

  it("sees what the visitor sent and gets, not what the service is told and says", async () => {
    const { rig, starts, told } = await observed();
    const port = Number(
      /\d+/.exec((await visit(rig.relay, { path: "/headers" }).complete()).text.split("localhost:")[1] ?? ""),
    );
    await visit(rig.relay, { path: `/redirect?to=http://localhost:${port}/next` }).complete();
    expect(starts[1]?.head.headers).toEqual(["Host", "demo.relay.test"]);
    expect(told).toContain("< 302 https://demo.relay.test/next");
  });

  it("is told of both directions of an upgraded connection", async () => {
    const { rig, told } = await observed();
    const headers = ["Connection", "Upgrade", "Upgrade", "echo/1"];
    const stream = visit(rig.relay, { path: "/up", headers, upgrade: true, body: Buffer.from("ping") });
    await stream.complete();
    await vi.waitFor(() => expect(rig.events.length).toBe(1));
    expect(told).toEqual(expect.arrayContaining(["< 101", "> ping", "< ping", "> end ", "< end "]));
    expect(told.at(-1)).toBe("over 101 undefined");
  });

  it("is told why an exchange did not end well", async () => {
    const { rig, told } = await observed();
    await visit(rig.relay, { path: "/reset" }).cut();
    const hanging = visit(rig.relay, { path: "/hang" });
    hanging.stream.reset("cancelled");
    await vi.waitFor(() => expect(rig.events.length).toBe(2));
    await visit(rig.relay, { path: "*" }).cut();
    expect(told.filter((line) => line.startsWith("over"))).toEqual([
      "over 502 upstream_failed",
      "over undefined cancelled",
      "over 502 bad_message",
    ]);
  });

  it("may take no interest in an exchange", async () => {
    const upstream = closing(await startUpstream());
    const observeExchange = vi.fn(() => undefined);
    const rig = closing(startRig({ port: upstream.port, observeExchange }));
    expect((await visit(rig.relay, { path: "/status/200" }).complete()).head?.status).toBe(200);
    expect(observeExchange).toHaveBeenCalledTimes(1);
  });

  it("breaks nothing when it throws", async () => {
    const upstream = closing(await startUpstream());
    const thrown: unknown[] = [];
    const before = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => thrown.push(error.message));
    try {
      let starts = 0;
      const fail = (what: string) => (): never => {
        throw new Error(what);
      };
      const observeExchange = (): ExchangeObserver => {
        if (++starts === 1) throw new Error("start");
        return { onHead: fail("head"), onData: fail("data"), onEnd: fail("end"), onOver: fail("over") };
      };
      const rig = closing(startRig({ port: upstream.port, observeExchange }));
      for (let i = 0; i < 2; i++) {
        expect((await visit(rig.relay, { path: "/status/200" }).complete()).text).toBe("status 200\n");
      }
      await vi.waitFor(() => expect(thrown).toEqual(["start", "head", "data", "end", "over"]));
    } finally {
      process.removeAllListeners("uncaughtException");
      for (const listener of before) process.on("uncaughtException", listener);
    }
  });
});
