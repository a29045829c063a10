import { createHash } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request as requestHttp } from "node:http";
import type { ClientHttp2Session } from "node:http2";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { json, text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { bytesAt } from "../support/bytes.js";
import { type Authority, createAuthority, createFolder, type Folder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type RelayCommand, startClientCommand, startRelayCommand } from "../support/commands.js";
import { isLong } from "../support/mode.js";
import { startCannedServer } from "../support/raw-server.js";
import { missingProgram } from "../support/requires.js";
import { connectHttp2Visitor, get, visitHttp1 } from "../support/secure.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import type { Proxy, ProxyProgram } from "./proxies.js";

const host = "demo.tunnel.test";
/** Another address of this machine, so that the visitor can be told from the proxy. */
const visitorAddress = "127.0.0.2";

/** The tests of any proxy. Each proxy has a file of its own, because files can run at the same time. */
export function describeProxy(program: ProxyProgram): void {
  describe.skipIf(missingProgram(program.name))(
    `the relay behind ${program.name}, as in the example`,
    { timeout: 60_000 },
    () => {
      const opened = closingAfterEach();
      const all: { close(): unknown }[] = [];
      let authority: Authority;
      let folder: Folder;
      let upstream: Upstream;
      let relay: RelayCommand;
      let proxy: Proxy;
      let ca: string;

      const keep = <T extends { close(): unknown }>(one: T): T => {
        all.push(one);
        return one;
      };

      /** Connects a client through the proxy, as a client elsewhere would. */
      const connectClient = (port: number, name: string) =>
        startClientCommand(
          port,
          relay.port,
          [
            "--relay",
            `https://127.0.0.1:${proxy.httpsPort}`,
            "--subdomain",
            name,
            "--forwarded-headers",
            "all",
          ],
          { NODE_EXTRA_CA_CERTS: folder.write("ca.pem", ca) },
        );

      const connectVisitor = async (): Promise<ClientHttp2Session> =>
        opened(await connectHttp2Visitor(proxy.httpsPort, host, ca));

      beforeAll(async () => {
        authority = await createAuthority();
        ca = authority.cert;
        folder = keep(createFolder());
        upstream = keep(await startUpstream());
        relay = keep(
          await startRelayCommand([
            ...["--domain", "tunnel.test", "--public-url", "https://{subdomain}.{domain}"],
            ...[
              "--trusted-proxy",
              "127.0.0.1",
              "--max-request-body",
              "100MB",
              "--max-response-body",
              "100MB",
            ],
          ]),
        );
        const certificate = await authority.issue(["tunnel.test", "*.tunnel.test", "127.0.0.1"]);
        proxy = keep(await program.start(folder, certificate, relay.port));
        keep(await connectClient(upstream.port, "demo"));
      }, 60_000);

      afterAll(async () => {
        for (const one of all.toReversed()) await one.close();
      }, 60_000);

      it("answers over HTTP/1.1 and HTTP/2", async () => {
        const answer = await visitHttp1(proxy.httpsPort, host, "/a//b/%2e?c=%20", ca);
        expect(await json(answer)).toMatchObject({ method: "GET", path: "/a//b/%2e?c=%20" });
        const session = await connectVisitor();
        const answers = await Promise.all(
          Array.from({ length: 20 }, (_, i) => get(session, `/status/${200 + i}`)),
        );
        expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, (_, i) => 200 + i));
      });

      it("believes the proxy about the visitor, and the visitor about nothing", async () => {
        const answer = await visitHttp1(proxy.httpsPort, host, "/who", ca, {
          localAddress: visitorAddress,
          headers: {
            ...{ "x-forwarded-for": "6.6.6.6", "x-forwarded-proto": "http", "x-real-ip": "6.6.6.6" },
            ...{ forwarded: "for=6.6.6.6", "x-forwarded-host": "6.6.6.6", "x-forwarded-port": "6666" },
            ...{ "x-forwarded-prefix": "/6666", "x-forwarded-ssl": "6.6.6.6", x_real_ip: "6.6.6.6" },
            ...{ "x-client-ip": "6.6.6.6", "true-client-ip": "6.6.6.6", "x-original-url": "/6666" },
            ...{
              "x-request-id": "visitors",
              x_request_id: "6666",
              proxy: "6.6.6.6",
              "x-tunnel-visitor": "6666",
            },
          },
        });
        const { rawHeaders } = (await json(answer)) as { rawHeaders: string[] };
        const fields = rawHeaders.flatMap((name, i) =>
          i % 2 === 0 && name.toLowerCase().startsWith("x-forwarded-")
            ? [`${name}: ${rawHeaders[i + 1]}`]
            : [],
        );
        expect(rawHeaders.join()).not.toMatch(/6\.6\.6\.6|6666/);
        expect(fields.toSorted()).toEqual([
          `X-Forwarded-For: ${visitorAddress}, 127.0.0.1`,
          `X-Forwarded-Host: ${host}`,
          "X-Forwarded-Proto: https",
        ]);
        expect(rawHeaders.join()).toMatch(/,x-request-id,visitors,/i);
        expect(rawHeaders.slice(-2)).toEqual(["X-Tunnel-Visitor", visitorAddress]);
        expect(await relay.waitForJson({ msg: "request", path: "/who" })).toMatchObject({
          address: visitorAddress,
        });
      });

      it("passes the relay's own answers on", async () => {
        const answer = await visitHttp1(proxy.httpsPort, "none.tunnel.test", "/", ca);
        expect(answer.statusCode).toBe(502);
        expect(answer.headers["x-tunnel-error"]).toBe("tunnel_not_found");
        expect(await text(answer)).toBe("tunnel not found");
      });

      it("sends visitors of port 80 to HTTPS", async () => {
        const visit = requestHttp({
          host: "127.0.0.1",
          port: proxy.httpPort,
          path: "/a?b=1",
          headers: { host },
        });
        visit.end();
        const [answer] = (await once(visit, "response")) as [IncomingMessage];
        answer.resume();
        expect(answer.statusCode).toBe(308);
        expect(answer.headers.location).toMatch(/^https:\/\/demo\.tunnel\.test(:[0-9]+)?\/a\?b=1$/);
      });

      it("passes events on as they come", async () => {
        const http1 = await visitHttp1(proxy.httpsPort, host, "/sse", ca);
        opened({ close: () => http1.destroy() });
        const session = await connectVisitor();
        const arrived = upstream.nextRequest();
        const http2 = session.request({ ":path": "/sse" });
        // Not the response: over HTTP/2, nginx keeps its head back until data follow.
        await arrived;
        for (const data of ["one", "two"]) {
          const both = Promise.all([once(http1, "data"), once(http2, "data")]);
          upstream.emit(data);
          expect(String(await both)).toBe(`data: ${data}\n\n,data: ${data}\n\n`);
        }
        http2.close();
      });

      it("passes a large upload on as it comes", async () => {
        const length = 30_000_000;
        const hash = createHash("sha256");
        const visit = request({
          ...{ host: "127.0.0.1", port: proxy.httpsPort, ca, servername: host, agent: false },
          ...{ method: "POST", path: "/hash", headers: { host } },
        });
        const arrived = upstream.nextRequest();
        const write = async (from: number, to: number): Promise<void> => {
          for (let offset = from; offset < to; offset += 65_536) {
            const chunk = bytesAt(offset, Math.min(65_536, to - offset));
            hash.update(chunk);
            if (!visit.write(chunk)) await once(visit, "drain");
          }
        };
        await write(0, 1_048_576);
        // Most of it is still to come.
        expect((await arrived).path).toBe("/hash");
        await write(1_048_576, length);
        visit.end();
        const [answer] = (await once(visit, "response")) as [IncomingMessage];
        expect(await json(answer)).toEqual({ length, sha256: hash.digest("hex") });
      });

      it("passes a large download on, whole", async () => {
        const length = 30_000_000;
        const answer = await visitHttp1(proxy.httpsPort, host, `/bytes/${length}`, ca);
        const hash = createHash("sha256");
        for await (const chunk of answer) hash.update(chunk as Buffer);
        expect(hash.digest("hex")).toBe(createHash("sha256").update(bytesAt(0, length)).digest("hex"));
      });

      it("passes on an answer whose head is as long as a client takes by default", async () => {
        const field = `X-Long: ${"x".repeat(65_000)}`;
        const service = opened(
          await startCannedServer(`HTTP/1.1 200 OK\r\n${field}\r\nContent-Length: 2\r\n\r\nok`),
        );
        opened(await connectClient(service.port, "long"));
        const answer = await visitHttp1(proxy.httpsPort, "long.tunnel.test", "/", ca, {
          maxHeaderSize: 131_072,
        });
        expect([answer.statusCode, await text(answer)]).toEqual([200, "ok"]);
        expect(answer.headers["x-long"]).toHaveLength(65_000);
      });

      it("carries WebSockets", async () => {
        const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
        opened({ close: () => server.close() });
        server.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
        await once(server, "listening");
        opened(await connectClient((server.address() as AddressInfo).port, "socket"));
        const options = { ca, servername: "socket.tunnel.test", headers: { host: "socket.tunnel.test" } };
        const ws = new WebSocket(`wss://127.0.0.1:${proxy.httpsPort}/`, options);
        opened({ close: () => ws.terminate() });
        await once(ws, "open");
        const message = Buffer.alloc(300_000, "m");
        ws.send(message);
        const [echo] = (await once(ws, "message")) as [Buffer];
        expect(echo.equals(message)).toBe(true);
        ws.close(1000, "enough");
        expect((await once(ws, "close"))[0]).toBe(1000);
      });

      it("tells the local service when the visitor leaves", async () => {
        const session = await connectVisitor();
        const stream = session.request({ ":path": "/hang?left" });
        stream.on("error", () => {});
        await upstream.nextRequest();
        const aborted = upstream.nextAbort();
        stream.close(8);
        expect((await aborted).path).toBe("/hang?left");
      });

      // Proxies wait 60 seconds by default. `npm run test:long` waits longer than that.
      const slowMs = isLong ? 62_000 : 2_000;
      it(`waits for a call that takes ${slowMs} ms`, { timeout: 90_000 }, async () => {
        const session = await connectVisitor();
        expect(await get(session, `/slow?ms=${slowMs}`)).toMatchObject({ status: 200, body: "slow\n" });
      });
    },
  );
}
