import { once } from "node:events";
import { createServer, request } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { runClient } from "../support/commands.js";
import { startInProcess } from "../support/in-process.js";
import { startOriginalRelay } from "../support/original-relay.js";
import { connectHttp2Visitor, get, startSecureRelay, visitHttp1 } from "../support/secure.js";

// A service knows itself by Host, which the client has written. The references to itself in its answers have
// to be of use to visitors all the same, on every way that an answer takes.

const closing = closingAfterEach();

/** The service's own idea of its origin. */
const originOf = (req: IncomingMessage) => `http://${req.headers.host}`;

/** The fields in which the service names its origin. */
const fieldsAt = (origin: string) => ({
  location: `${origin}/mcp/`,
  "content-location": `${origin}/a`,
  refresh: `0; url=${origin}/b`,
  link: `<${origin}/c>; rel="next", <https://example.com/>; rel=x`,
  "www-authenticate": `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource"`,
});

const metadataAt = (origin: string) => ({ resource: `${origin}/mcp`, authorization_servers: [`${origin}/`] });

/** A service that answers with its own origin, and with the request fields that name an origin. */
async function startService(): Promise<number> {
  const upgraded = new Set<Socket>();
  const server = createServer((req, res) => {
    const own = originOf(req);
    if (req.url?.startsWith("/.well-known/") === true) {
      res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(metadataAt(own)));
      return;
    }
    if (req.url === "/hints") res.writeEarlyHints({ link: `<${own}/hint>; rel=preload` });
    const { destination, origin, referer } = req.headers;
    res.writeHead(307, { ...fieldsAt(own), trailer: "Link" });
    res.write(JSON.stringify({ own, destination, if: req.headers["if"], origin, referer }));
    res.addTrailers({ link: `<${own}/trailer>; rel=next` });
    res.end();
  });
  server.on("upgrade", (req: IncomingMessage, socket: Socket) => {
    upgraded.add(socket);
    socket.on("error", () => {});
    socket.end(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\nLink: <${originOf(req)}/u>; rel=x\r\n` +
        `X-Origin: ${req.headers.origin}\r\n\r\n`,
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing({
    async close() {
      for (const socket of upgraded) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  });
  return (server.address() as AddressInfo).port;
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return text;
}

/** The request fields of a page that a tunnel at `origin` has served, and those of WebDAV. */
const pageFields = (origin: string) => ({
  origin,
  referer: `${origin}/page`,
  destination: `${origin}/b.txt`,
  if: `<${origin}/a.txt> (<urn:uuid:1>)`,
});

describe("what a service says of itself, and is told", () => {
  it("agrees over HTTP/1.1, in interim answers and in trailers", async () => {
    const upstreamPort = await startService();
    const { relayPort } = closing(await startInProcess({ upstreamPort }));
    const host = `demo.localhost:${relayPort}`;
    const own = `http://${host}`;
    const visit = request({
      port: relayPort,
      host: "127.0.0.1",
      path: "/hints",
      headers: { host, ...pageFields(own) },
    });
    const hints: unknown[] = [];
    visit.on("information", ({ headers }) => hints.push(headers["link"]));
    visit.end();
    const [response] = (await once(visit, "response")) as [IncomingMessage];
    expect(response.headers).toMatchObject(fieldsAt(own));
    const local = `http://localhost:${upstreamPort}`;
    expect(JSON.parse(await textOf(response))).toEqual({ own: local, ...pageFields(local) });
    expect(hints).toEqual([`<${own}/hint>; rel=preload`]);
    expect(response.trailers).toEqual({ link: `<${own}/trailer>; rel=next` });
  });

  it("agrees in an upgrade", async () => {
    const upstreamPort = await startService();
    const { relayPort } = closing(await startInProcess({ upstreamPort }));
    const host = `demo.localhost:${relayPort}`;
    const headers = { host, connection: "upgrade", upgrade: "x", origin: `http://${host}` };
    const visit = request({ port: relayPort, host: "127.0.0.1", headers });
    visit.end();
    const [response, socket] = (await once(visit, "upgrade")) as [IncomingMessage, Socket];
    socket.destroy();
    expect(response.headers["link"]).toBe(`<http://${host}/u>; rel=x`);
    expect(response.headers["x-origin"]).toBe(`http://localhost:${upstreamPort}`);
  });

  it("agrees over TLS, by HTTP/1.1 and by HTTP/2", { timeout: 60_000 }, async () => {
    const upstreamPort = await startService();
    const secure = closing(await startSecureRelay());
    closing(await secure.connectClient(upstreamPort, "demo"));
    const host = `demo.tunnel.test:${secure.port}`;
    const own = `https://${host}`;
    const ca = secure.authority.cert;
    const response = await visitHttp1(secure.port, "demo.tunnel.test", "/", ca, { headers: { host } });
    expect(response.headers).toMatchObject(fieldsAt(own));
    response.resume();
    await once(response, "end");
    const session = await connectHttp2Visitor(secure.port, "demo.tunnel.test", ca);
    closing({ close: () => session.destroy() });
    const answer = await get(session, "/", { destination: `${own}/b.txt`, origin: own });
    expect(answer.headers).toMatchObject(fieldsAt(own));
    const local = `http://localhost:${upstreamPort}`;
    expect(JSON.parse(answer.body)).toEqual({ own: local, destination: `${local}/b.txt`, origin: local });
    const metadata = await get(session, "/.well-known/oauth-protected-resource");
    expect(JSON.parse(metadata.body)).toEqual(metadataAt(own));
  });

  it.each(["0.1", "0.2"] as const)(
    "agrees on the wire of an original relay %s, whatever visitors forward",
    async (version) => {
      const upstreamPort = await startService();
      const relay = closing(await startOriginalRelay({ version }));
      const args = ["--relay", `http://127.0.0.1:${relay.port}`, "--subdomain", "app", "--json"];
      closing(runClient([String(upstreamPort), ...args]));
      const tunnel = await relay.nextTunnel();
      const own = "https://app.tunnel.example";
      const forged = { "x-forwarded-host": "evil.test", "x-forwarded-proto": "http" };
      const visit = async (path: string, headers = {}) => {
        const answer = await tunnel.request({
          path,
          headers: { host: "app.tunnel.example", ...forged, ...headers },
        }).answer;
        return {
          headers: Object.fromEntries(answer.headers),
          body: JSON.parse(answer.body.toString()) as unknown,
        };
      };
      const answer = await visit("/", pageFields(own));
      expect(answer.headers).toMatchObject(fieldsAt(own));
      const local = `http://localhost:${upstreamPort}`;
      expect(answer.body).toEqual({ own: local, ...pageFields(local) });
      expect((await visit("/", pageFields("http://evil.test"))).body).toEqual({
        own: local,
        ...pageFields("http://evil.test"),
      });
      expect((await visit("/.well-known/oauth-protected-resource")).body).toEqual(metadataAt(own));
    },
  );

  it("is the public name with --host-header preserve, and nothing is rewritten", async () => {
    const upstreamPort = await startService();
    const { relayPort } = closing(await startInProcess({ upstreamPort, client: { hostHeader: "preserve" } }));
    const host = `demo.localhost:${relayPort}`;
    const visit = request({
      port: relayPort,
      host: "127.0.0.1",
      headers: { host, ...pageFields(`http://${host}`) },
    });
    visit.end();
    const [response] = (await once(visit, "response")) as [IncomingMessage];
    expect(response.headers).toMatchObject(fieldsAt(`http://${host}`));
    expect(JSON.parse(await textOf(response))).toEqual({
      own: `http://${host}`,
      ...pageFields(`http://${host}`),
    });
  });
});
