import { createHash } from "node:crypto";
import { once } from "node:events";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { rawVisitor, startRawService } from "../streaming/raw.js";
import { ByteChecker, bytesAt } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type RelayCommand, startClientCommand, startRelayCommand } from "../support/commands.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { createVisitor, rawExchange, type Visitor } from "../support/visitor.js";
import { isFirstMissing } from "./first-release.js";
import { roomy, skewed } from "./releases.js";

/** Whoever upgrades one end has the other release at the other end, and visitors notice nothing of it. */
describe.skipIf(isFirstMissing).each(skewed)(
  "$client.name client at $relay.name relay",
  { timeout: 60_000 },
  (pair) => {
    const closing = closingAfterEach();
    const all: { close(): unknown }[] = [];
    let upstream: Upstream;
    let relay: RelayCommand;
    let visitor: Visitor;

    const keep = <T extends { close(): unknown }>(one: T): T => {
      all.push(one);
      return one;
    };
    beforeAll(async () => {
      upstream = keep(await startUpstream());
      relay = keep(await startRelayCommand(roomy, {}, pair.relay.relay));
      keep(
        await startClientCommand(upstream.port, relay.port, ["--subdomain", "demo"], {}, pair.client.client),
      );
      visitor = keep(createVisitor(relay.port));
    });
    afterAll(async () => {
      for (const one of all.toReversed()) await one.close();
    });

    const request = (line: string, ...fields: string[]): string =>
      `${[line, "Host: demo.localhost", "Connection: close", ...fields].join("\r\n")}\r\n\r\n`;

    it("has the name that goes with its token when it asks for none", async () => {
      const args = ["--token", "my token"];
      const client = closing(
        await startClientCommand(upstream.port, relay.port, args, {}, pair.client.client),
      );
      const name = createHash("sha256").update("my token").digest("hex").slice(0, 12);
      expect(client.url).toBe(`http://${name}.localhost:${relay.port}`);
      expect((await visitor.text(name, "/status/200")).status).toBe(200);
    });

    it("carries requests and answers, with and without bodies", async () => {
      const got = await visitor.visit("demo", "/a//b?c=%20", { headers: { "x-own": ["1", "2"] } });
      expect(await got.body.json()).toMatchObject({
        method: "GET",
        path: "/a//b?c=%20",
        rawHeaders: expect.arrayContaining(["x-own", "1", "2"]),
        body: "",
      });
      const body = bytesAt(0, 300_000);
      const echo = await visitor.visit("demo", "/echo", { method: "POST", body });
      expect(Buffer.from(await echo.body.arrayBuffer()).equals(body)).toBe(true);
      // Without a length.
      const pieces = Readable.from([body.subarray(0, 7), body.subarray(7)]);
      const chunked = await visitor.visit("demo", "/echo", { method: "PUT", body: pieces });
      expect(Buffer.from(await chunked.body.arrayBuffer()).equals(body)).toBe(true);
      const head = await visitor.visit("demo", "/bytes/5", { method: "HEAD" });
      await head.body.dump();
      expect([head.statusCode, head.headers["content-length"]]).toEqual([200, "5"]);
      const cookies = await visitor.visit("demo", "/cookies");
      await cookies.body.dump();
      expect(cookies.headers["set-cookie"]).toHaveLength(3);
      expect(await visitor.text("demo", "/status/204")).toEqual({ status: 204, text: "" });
    });

    it("carries trailers, both ways", async () => {
      const service = closing(await startRawService());
      const args = ["--subdomain", "raw"];
      closing(await startClientCommand(service.port, relay.port, args, {}, pair.client.client));
      const sender = closing(await rawVisitor(relay.port));
      const fields = ["Host: raw.localhost", "Transfer-Encoding: chunked", "Trailer: X-Sum"];
      sender.write(`POST / HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: abc\r\n\r\n`);
      const local = closing(await service.receiving(/\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: abc\r\n\r\n$/));
      local.write("HTTP/1.1 204 No Content\r\n\r\n");
      await sender.until(/^HTTP\/1\.1 204 /);

      const answer = await rawExchange(relay.port, request("GET /trailers HTTP/1.1", "TE: trailers"));
      expect(answer).toMatch(/\r\n0\r\nX-Checksum: abc\r\nX-Late: yes\r\n\r\n$/);
    });

    it("carries interim heads", async () => {
      const hints = await rawExchange(relay.port, request("GET /hints HTTP/1.1"));
      expect(hints).toMatch(/^HTTP\/1\.1 103 .*\r\nlink: <\/style\.css>.*\r\nHTTP\/1\.1 200 .*hinted\n/is);
      const waiting = closing(await rawVisitor(relay.port));
      waiting.write(request("PUT /hash HTTP/1.1", "Content-Length: 5", "Expect: 100-continue"));
      await waiting.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
      waiting.write("hello");
      expect(await waiting.all()).toMatch(/\r\nHTTP\/1\.1 200 [^]*"length":5/);
    });

    it("passes events on as they come, and says when a visitor leaves", async () => {
      const arrived = upstream.nextRequest();
      const { body } = await visitor.visit("demo", "/sse");
      await arrived;
      body.on("error", () => {});
      for (const data of ["one", "two", "three"]) {
        const event = once(body, "data");
        upstream.emit(data);
        expect(String(await event)).toBe(`data: ${data}\n\n`);
      }
      const abort = upstream.nextAbort();
      body.destroy();
      expect((await abort).path).toBe("/sse");
    });

    it("carries WebSockets", async () => {
      const ws = new WebSocket(`ws://127.0.0.1:${relay.port}/websocket`, {
        headers: { host: "demo.localhost" },
      });
      closing({ close: () => ws.terminate() });
      await once(ws, "open");
      for (const message of [Buffer.from("short"), bytesAt(0, 3_000_000)]) {
        ws.send(message);
        const [echo] = (await once(ws, "message")) as [Buffer];
        expect(echo.equals(message)).toBe(true);
      }
      ws.close(1000, "enough");
      expect((await once(ws, "close"))[0]).toBe(1000);
    });

    it("carries 50 MiB each way, and other visitors beside one who does not read", async () => {
      const length = 50 * 1024 * 1024;
      const unread = await visitor.visit("demo", `/bytes/${length}`);
      const body = bytesAt(0, length);
      const sha256 = createHash("sha256").update(body).digest("hex");
      const upload = await visitor.visit("demo", "/hash", { method: "POST", body });
      expect(await upload.body.json()).toEqual({ length, sha256 });
      const checker = new ByteChecker();
      for await (const chunk of unread.body) checker.update(chunk as Buffer);
      expect(checker.length).toBe(length);
    });

    it("tells visitors of a service that fails", async () => {
      expect((await visitor.text("demo", "/reset")).status).toBe(502);
      await expect(visitor.text("demo", "/cut/100000")).rejects.toThrow();
      await expect(visitor.text("demo", "/cut/100000?chunked")).rejects.toThrow();
      expect((await visitor.text("demo", "/status/200")).status).toBe(200);
    });
  },
);
