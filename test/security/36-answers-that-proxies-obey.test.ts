import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { createRelay } from "mcp-tunnel";
import { startTunnelClient } from "mcp-tunnel-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { frame, types } from "../../packages/protocol/test/support/wire.js";
import { nginx } from "../proxy/proxies.js";
import { type Authority, createAuthority, createFolder, type Folder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { visitHttp1 } from "../support/secure.js";
import { startNginx } from "./support/nginx.js";
import { connectRawClient } from "./support/raw-peers.js";
import { RawVisitor } from "./support/raw-visitor.js";

/**
 * The attack: nginx in front of the relay takes every answer for one of its own application.
 * `X-Accel-Redirect: /private/key` makes nginx hand out the file of that `location` instead, which no request
 * from outside may have. So the owner of a tunnel reads files of the relay's host. Apache (`X-Sendfile`),
 * lighttpd and LiteSpeed have similar fields.
 *
 * The defence: the example tells nginx to ignore these fields. For operators with another configuration, the
 * relay takes out the fields that make a server send something else. It also takes out the field by which
 * Envoy takes a whole relay for dead.
 */
const close = closingAfterEach();

let folder: Folder;
let authority: Authority;
beforeAll(async () => {
  folder = createFolder();
  folder.write("key", "the secret");
  authority = await createAuthority();
});
afterAll(() => folder.close());

/** Applications protect such a location: only they themselves can point to it. */
const location = (): string => `location /private/ { internal; alias ${folder.path}/; }`;

async function listen(answer: RequestListener): Promise<number> {
  const server: Server = createServer(answer);
  close({ close: () => server.close() });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const redirecting: RequestListener = (_req, res) => {
  res.writeHead(200, { "x-accel-redirect": "/private/key", "content-length": 7 }).end("allowed");
};

describe.skipIf(missingProgram("nginx"))("X-Accel-Redirect", () => {
  it("is not obeyed by the example, whatever is behind it", async () => {
    const certificate = await authority.issue(["tunnel.test", "*.tunnel.test"]);
    const ignoring = close(
      await nginx.start(folder, certificate, await listen(redirecting), {
        "    location / {": `    ${location()}\n\n    location / {`,
      }),
    );
    const answer = await visitHttp1(ignoring.httpsPort, "app.tunnel.test", "/", authority.cert);
    expect([answer.statusCode, await text(answer)]).toEqual([200, "allowed"]);
  });

  it("does not reach an nginx that would obey it", async () => {
    const visit = async (port: number): Promise<string> => {
      const visitor = close(new RawVisitor({ port }));
      visitor.send("GET / HTTP/1.1\r\nHost: app.tunnel.test\r\nConnection: close\r\n\r\n");
      return visitor.all();
    };
    const servicePort = await listen(redirecting);
    // The attack is real: without a relay between, this nginx obeys.
    expect(await visit(close(await startNginx(servicePort, location())).port)).toMatch(/the secret$/);

    const relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0 });
    const { port } = await relay.listen();
    close({ close: () => relay.close(0) });
    const relayUrl = `http://127.0.0.1:${port}`;
    close(await startTunnelClient({ port: servicePort, relayUrl, subdomain: "app" }));
    const obeying = close(await startNginx(port, location()));
    expect(await visit(obeying.port)).toMatch(/allowed$/);
  });
});

describe("fields that a server in front obeys", () => {
  const fields = [
    ...["X-Accel-Redirect", "x-sendfile", "X-Sendfile2", "X-LIGHTTPD-send-file", "X-Lighttpd-Send2File"],
    ...["X-LiteSpeed-Location", "X-Reproxy-URL", "X-Reproxy-File", "X-Reproxy-Service"],
    // Cookies that Java's clients take for any domain, and fields that only the relay may write.
    ...["X-Envoy-Immediate-Health-Check-Fail", "Set-Cookie2", "X-Tunnel-Error"],
  ].flatMap((name) => [name, "/private/key"]);
  const others = ["X-Accel-Buffering", "no", "Link", "</a.css>"];

  async function answered(head: string, status: string, type: "RESPONSE" | "INTERIM"): Promise<string> {
    const relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0 });
    const { port } = await relay.listen();
    close({ close: () => relay.close(0) });
    const hostile = close(await connectRawClient(port, "app"));
    const visitor = close(new RawVisitor({ port }));
    visitor.send(`GET / HTTP/1.1\r\nHost: app.tunnel.test\r\n${head}\r\n\r\n`);
    const { stream } = await hostile.next("REQUEST");
    hostile.send(frame(types[type], stream, [status, ...fields, ...others].join("\n")));
    return visitor.until((received) => received.includes("</a.css>"));
  }

  it.each([
    ["a final head", "Connection: close", "200", "RESPONSE"],
    ["a 101", "Connection: upgrade\r\nUpgrade: x", "101", "RESPONSE"],
    ["an interim head", "Connection: close", "103", "INTERIM"],
  ] as const)("leave no relay in %s", async (_, head, status, type) => {
    const received = await answered(head, status, type);
    expect(received).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(received).not.toContain("/private/key");
    // This field tells how to send, not what. Event streams need it if nginx buffers.
    expect(received).toContain("X-Accel-Buffering: no\r\n");
  });

  it("leave no relay in trailers", async () => {
    const relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0 });
    const { port } = await relay.listen();
    close({ close: () => relay.close(0) });
    const hostile = close(await connectRawClient(port, "app"));
    const visitor = close(new RawVisitor({ port }));
    visitor.send("GET / HTTP/1.1\r\nHost: app.tunnel.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
    const { stream } = await hostile.next("REQUEST");
    hostile.send(frame(types.RESPONSE, stream, "200"));
    hostile.send(frame(types.DATA, stream, "body"));
    const trailers = [...fields, "Alt-Svc", "/private/key", "X-Sum", "whole"].join("\n");
    hostile.send(frame(types.END, stream, trailers));
    const received = await visitor.until((text) => text.includes("whole\r\n"));
    expect(received).not.toContain("/private/key");
  });
});
