import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesAt } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import type { JsonLine } from "../support/commands.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { type RawService, rawVisitor, startRawService } from "./raw.js";
import { body, type CommandTunnel, response, startTunnel } from "./support.js";

let upstream: Upstream;
let tunnel: CommandTunnel;
/** A local service that sends nothing by itself, and the tunnel to it. */
let service: RawService;
let other: CommandTunnel;
beforeAll(async () => {
  upstream = await startUpstream();
  service = await startRawService();
  [tunnel, other] = await Promise.all([startTunnel(upstream.port), startTunnel(service.port)]);
});
afterAll(async () => {
  await Promise.all([tunnel.close(), other.close()]);
  await upstream.close();
  await service.close();
});
const closing = closingAfterEach();

/** The log lines of both ends about the request to `path`, of which there is only one. */
async function said(path: string, on = tunnel): Promise<{ relay: JsonLine; client: JsonLine }> {
  const withoutQuery = path.split("?")[0] as string;
  return {
    relay: await on.relay.waitForJson({ msg: "request", path: withoutQuery }),
    client: await on.client.waitForJson({ event: "request", path }),
  };
}

describe("a local service that dies", () => {
  it.each(["/cut/300000", "/cut/300001?chunked", "/short/300000"])(
    "in mid-body leaves a response that is visibly broken: %s",
    async (path) => {
      const res = await response(tunnel.request(path).end());
      res.resume();
      const [error] = (await once(res, "error")) as [NodeJS.ErrnoException];
      expect([error.code, res.complete]).toEqual(["ECONNRESET", false]);
      const { relay, client } = await said(path);
      expect(relay).toMatchObject({ status: 200, outcome: "cut" });
      expect(relay["reason"]).toMatch(/^upstream_failed: /);
      expect(client).toMatchObject({ status: 200, error: { code: "upstream_failed" } });
    },
  );

  it("in mid-body is not mistaken for one that ends its body with the connection", async () => {
    // For this visitor (HTTP/1.0) the relay has neither a length nor chunks that it could break off.
    const visitor = closing(await rawVisitor(other.port));
    const reset = once(visitor.socket, "error") as Promise<[NodeJS.ErrnoException]>;
    visitor.write(`GET /half HTTP/1.0\r\nHost: ${other.host}\r\n\r\n`);
    const local = closing(await service.receiving(/GET \/half [^]*\r\n\r\n/));
    local.write("HTTP/1.0 200 OK\r\n\r\nhalf of it");
    await visitor.until(/half of it/);
    local.socket.resetAndDestroy();
    expect((await reset)[0].code).toBe("ECONNRESET");
    const { relay } = await said("/half", other);
    expect(relay).toMatchObject({ outcome: "cut" });
  });

  it("before it answers is a 502", async () => {
    const res = await response(tunnel.request("/reset", { method: "POST" }).end("x"));
    expect([res.statusCode, String(await body(res))]).toEqual([502, "upstream error"]);
    const { relay, client } = await said("/reset");
    expect(relay).toMatchObject({ status: 502, outcome: "refused" });
    expect(relay["reason"]).toMatch(/^upstream_error: /);
    expect(client).toMatchObject({ status: 502, error: { code: "upstream_failed" } });
  });

  it("in mid-upload is a 502, which the visitor gets though it is still sending", async () => {
    const req = other.request("/upload", { method: "POST", headers: { "content-length": 1_000_000 } });
    req.write(bytesAt(0, 500_000));
    const local = closing(await service.receiving(/POST \/upload [^]*\r\n\r\n[^]{200000}/));
    local.socket.resetAndDestroy();
    const res = await response(req);
    expect([res.statusCode, String(await body(res))]).toEqual([502, "upstream error"]);
    req.destroy();
  });
});

describe("a visitor who leaves", () => {
  it.each([
    ["before the answer", "/hang/before", "GET", ""],
    ["in mid-upload", "/hash/upload", "POST", "the beginning"],
  ])("%s aborts the local request", async (_, path, method, start) => {
    const reached = upstream.nextRequest();
    const aborted = upstream.nextAbort();
    const headers = method === "POST" ? { "content-length": 1_000_000 } : {};
    const req = tunnel.request(path, { method, headers });
    req.on("error", () => {});
    if (start === "") req.end();
    else req.write(start);
    await reached;
    req.destroy();
    expect((await aborted).path).toBe(path);
    const { relay, client } = await said(path);
    expect(relay).toMatchObject({ outcome: "cancelled" });
    expect(client).toMatchObject({ error: { code: "cancelled" } });
  });

  it.each(["websocket", "h2c"])("before the answer to his upgrade to %s does too", async (protocol) => {
    const visitor = closing(await rawVisitor(other.port));
    visitor.write(
      `GET /up-${protocol} HTTP/1.1\r\nHost: ${other.host}\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`,
    );
    const local = closing(await service.receiving(new RegExp(`GET /up-${protocol} [^]*\r\n\r\n`)));
    visitor.close();
    await local.all();
    const { relay } = await said(`/up-${protocol}`, other);
    expect(relay).toMatchObject({ outcome: "cancelled" });
  });

  it("is not awaited who floods the connection before the answer to his upgrade", async () => {
    const visitor = closing(await rawVisitor(other.port));
    visitor.write(
      `GET /flood HTTP/1.1\r\nHost: ${other.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    );
    const local = closing(await service.receiving(/GET \/flood [^]*\r\n\r\n/));
    visitor.write("x".repeat(300_000));
    await local.all();
    expect((await said("/flood", other)).relay).toMatchObject({ outcome: "cancelled" });
  });

  it("in mid-download aborts the local request", async () => {
    const aborted = upstream.nextAbort();
    const req = tunnel.request("/bytes/500000000").end();
    const res = await response(req);
    await once(res, "readable");
    req.destroy();
    expect((await aborted).path).toBe("/bytes/500000000");
    const { relay, client } = await said("/bytes/500000000");
    expect(relay).toMatchObject({ status: 200, outcome: "cancelled" });
    expect(client).toMatchObject({ status: 200, error: { code: "cancelled" } });
  });
});

describe("a local service that answers before it has the whole request", () => {
  const answer =
    "HTTP/1.1 413 Content Too Large\r\nContent-Length: 11\r\nConnection: close\r\n\r\ntoo much :(";

  it("is heard by the visitor, and the rest of the upload stays out of the tunnel", async () => {
    const length = 50_000_000;
    const req = other.request("/early", { method: "POST", headers: { "content-length": length } });
    const answered = response(req).then(async (res) => [res.statusCode, String(await body(res))]);
    // The visitor goes on sending, until the relay has received enough.
    const refused = new Promise<void>((resolve) => req.on("error", () => resolve()));
    req.write(bytesAt(0, length));
    const local = closing(await service.receiving(/POST \/early [^]*\r\n\r\n/));
    local.socket.end(answer);
    expect(await answered).toEqual([413, "too much :("]);
    await refused;
    const { relay, client } = await said("/early", other);
    expect(relay).toMatchObject({ status: 413, outcome: "completed" });
    expect(client).toMatchObject({ status: 413 });
    expect(client["error"]).toBeUndefined();
    expect(client["requestBytes"]).toBeLessThan(length / 2);
  });
});
