import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createAuthority } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { maxIdleMs, maxIdleToRepeatMs } from "../src/service/http/idle-connections.js";
import { startRig, visit } from "./relay-side.js";
import { ok, startScripted } from "./scripted-service.js";

const closing = closingAfterEach();

const start = async (...args: Parameters<typeof startScripted>) => closing(await startScripted(...args));

const post = { method: "POST", body: Buffer.from("pay") };

/** Two ways to close a connection. */
const closes: [string, (socket: Socket) => unknown][] = [
  ["closes", (socket) => socket.end()],
  ["resets", (socket) => socket.resetAndDestroy()],
];

describe("a connection to the local service that has been idle", () => {
  beforeEach(() => {
    // This fakes the time that the client measures, and not undici's timer, which may be late.
    vi.useFakeTimers({ toFake: ["performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([
    ["GET", maxIdleToRepeatMs],
    ["POST", maxIdleMs],
  ])("carries a %s within %i ms", async (method, idleMs) => {
    const { rig, seen } = await start((socket) => socket.write(ok));
    await visit(rig.relay).complete();
    vi.advanceTimersByTime(idleMs);
    await visit(rig.relay, { ...post, method }).complete();
    expect(seen.map(({ connection }) => connection)).toEqual([1, 1]);
  });

  it.each([
    ["GET", "whole", maxIdleToRepeatMs],
    ["POST", "whole", maxIdleMs],
    // It could not be sent again.
    ["PUT", "open", maxIdleMs],
  ] as const)("carries no %s with a body that is %s after %i ms", async (method, body, idleMs) => {
    // gunicorn closes after 2 s, and uvicorn can be told to close after 1 s. The close and a request cross
    // each other.
    const { rig, seen, sockets } = await start((socket, { nth }) => {
      if (nth > 1) socket.resetAndDestroy();
      else socket.write(ok);
    });
    await visit(rig.relay, post).complete();
    const closed = Promise.all(sockets.map((socket) => once(socket, "close")));
    vi.advanceTimersByTime(idleMs + 1);
    const stream = visit(rig.relay, { method, body: body === "open" ? body : post.body });
    if (body === "open") stream.stream.write(post.body);
    const done = await stream.complete();
    expect(done.text).toBe("ok");
    expect(seen.map(({ connection }) => connection)).toEqual([1, 2]);
    // The connection is not left open either.
    await closed;
  });
});

describe("a connection to the local service", () => {
  it("carries the next request if one was refused before it was sent", async () => {
    const { rig, seen } = await start((socket) => socket.write(ok));
    await visit(rig.relay).complete();
    const headers = ["Host", "demo.relay.test", "Content-Length", "5"];
    const refused = visit(rig.relay, { method: "PUT", headers, body: Buffer.from("pay") });
    expect((await refused.cut()).code).toBe("bad_message");
    await visit(rig.relay).complete();
    expect(seen).toMatchObject([
      { method: "GET", connection: 1, nth: 1 },
      { method: "GET", connection: 1, nth: 2 },
    ]);
  });
});

describe("how long a connection to the local service may be idle", () => {
  it.each([
    ["that does not say how long it waits", ""],
    ["that waits for an hour", "Keep-Alive: timeout=3600\r\n"],
  ])("does not depend on a service %s", async (_what, field) => {
    const { rig, sockets } = await start((socket) =>
      socket.write(ok.replace("\r\n\r\n", `\r\n${field}\r\n`)),
    );
    await visit(rig.relay).complete();
    await Promise.all(sockets.map((socket) => once(socket, "end")));
  });

  it("is enough for requests that follow each other, with a service that waits for a second", async () => {
    const { rig, seen } = await start((socket) =>
      socket.write(ok.replace("\r\n\r\n", "\r\nKeep-Alive: timeout=1\r\n\r\n")),
    );
    for (let i = 0; i < 3; i++) await visit(rig.relay, post).complete();
    expect(seen.map(({ connection }) => connection)).toEqual([1, 1, 1]);
  });
});

describe.each(closes)("a service that %s an idle connection under a request", (_how, close) => {
  /**
   * Leaves two connections idle. The service closes either of them when it gets another request. `rest`
   * decides about new connections.
   */
  async function startClosing(rest: (socket: Socket) => unknown = (socket) => socket.write(ok)) {
    const waiting: Socket[] = [];
    const scripted = await start((socket, { connection, nth }) => {
      if (nth > 1) close(socket);
      else if (connection > 2) rest(socket);
      else if (waiting.push(socket) === 2) for (const each of waiting.splice(0)) each.write(ok);
    });
    await Promise.all([visit(scripted.rig.relay).complete(), visit(scripted.rig.relay).complete()]);
    scripted.seen.length = 0;
    return scripted;
  }

  it.each(["GET", "PUT", "DELETE", "PROPFIND"])("is sent %s again, over a new connection", async (method) => {
    const { rig, seen } = await startClosing();
    const body = method === "GET" ? "" : "whole";
    const done = await visit(rig.relay, { method, ...(body && { body: Buffer.from(body) }) }).complete();
    expect(done.text).toBe("ok");
    // The other idle connection is not used, because it would meet the same end.
    expect(seen.map(({ connection }) => connection > 2)).toEqual([false, true]);
    expect(seen.map((request) => [request.method, request.body])).toEqual([
      [method, body],
      [method, body],
    ]);
    expect(rig.events.every(({ status }) => status === 200)).toBe(true);
  });

  it.each(["POST", "PATCH", "LOCK"])("is sent no %s twice", async (method) => {
    const { rig, seen } = await startClosing();
    expect((await visit(rig.relay, { ...post, method }).cut()).code).toBe("upstream_failed");
    expect(seen.map((request) => request.method)).toEqual([method]);
  });

  it("is sent nothing again of which the body came in parts", async () => {
    const { rig, seen } = await startClosing();
    const stream = visit(rig.relay, { method: "PUT", body: "open" });
    stream.stream.write(Buffer.from("a part"));
    expect((await stream.cut()).code).toBe("upstream_failed");
    expect(seen.length).toBe(1);
  });

  it("is asked twice at most", async () => {
    const { rig, seen } = await startClosing(close);
    expect((await visit(rig.relay).cut()).code).toBe("upstream_failed");
    expect(seen.map(({ nth }) => nth)).toEqual([2, 1]);
  });
});

describe.each(closes)("a service that %s a connection over which it was asked", (_how, close) => {
  it("is not asked again if it was a new one: it was the request that it did not take", async () => {
    const { rig, seen } = await start(close);
    expect((await visit(rig.relay).cut()).code).toBe("upstream_failed");
    expect((await visit(rig.relay, post).cut()).code).toBe("upstream_failed");
    expect(seen.map(({ method }) => method)).toEqual(["GET", "POST"]);
  });

  it.each([
    ["half of a head", "HTTP/1.1 200 OK\r\nContent-Le"],
    ["an interim head", "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"],
  ])("is not asked again once it has answered with %s", async (_what, answer) => {
    const { rig, seen } = await start((socket, { nth }) => {
      socket.write(nth === 1 ? ok : answer, () => nth > 1 && close(socket));
    });
    await visit(rig.relay).complete();
    expect((await visit(rig.relay).cut()).code).toBe("upstream_failed");
    expect(seen.length).toBe(2);
  });
});

describe("a service over TLS", () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it.each(["TLSv1.2", "TLSv1.3"] as const)(
    "is asked again too, whatever %s sends besides",
    async (version) => {
      vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
      const pair = await (await createAuthority()).issue(["localhost"]);
      const seen: number[] = [];
      const server = createTlsServer({ ...pair, minVersion: version, maxVersion: version }, (socket) => {
        const nth = seen.push(0);
        socket.on("error", () => {});
        socket.on("data", () => {
          seen[nth - 1] = (seen[nth - 1] ?? 0) + 1;
          // The alert that ends TLS consists of bytes, but not of an answer.
          if (seen[nth - 1] === 2) socket.end();
          else socket.write(ok);
        });
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const rig = startRig({ target: `https://localhost:${port}` });
      closing({
        async close() {
          await rig.close();
          server.close();
          await once(server, "close");
        },
      });
      expect((await visit(rig.relay).complete()).text).toBe("ok");
      expect((await visit(rig.relay).complete()).text).toBe("ok");
      expect(seen).toEqual([2, 1]);
    },
  );
});
