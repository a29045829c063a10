import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { createGate } from "../src/gate.js";
import type { Gate } from "../src/gate.js";
import { gatedHandler, gatedUpgrade } from "../src/handler.js";
import type { GateOptions } from "../src/options.js";
import { fakeOAuth, key, keys, origin } from "./support.js";

vi.mock(import("../src/oauth/create.js"), () => ({ createOAuth: async () => fakeOAuth() }));

const closing = closingAfterEach();
const bearer = { keys };

async function gateOf(options: GateOptions): Promise<Gate> {
  return closing(await createGate(options));
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing({
    async close() {
      server.close();
      server.closeAllConnections();
    },
  });
  return (server.address() as AddressInfo).port;
}

/** Shows a request in all forms in which Node gives it. */
const show: RequestListener = (req, res) => {
  req.resume().on("end", () => {
    const { rawHeaders, headers, headersDistinct, rawTrailers, trailers, trailersDistinct } = req;
    res.end(
      JSON.stringify({ rawHeaders, headers, headersDistinct, rawTrailers, trailers, trailersDistinct }),
    );
  });
};

async function serve(options: GateOptions, handler: RequestListener = show): Promise<number> {
  return listening(createServer(gatedHandler(handler, await gateOf(options), { origin })));
}

/** Sends bytes, and returns all that comes back until the server ends the connection. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => (received += chunk));
  socket.write(text, "latin1");
  await once(socket, "close");
  return received;
}

const request = (target: string, ...lines: string[]): string =>
  [`GET ${target} HTTP/1.1`, "Host: evil.test", ...lines, "Connection: close", "", ""].join("\r\n");

describe("a gate before a handler", () => {
  it("lets only those in who have a proof", async () => {
    const handler = vi.fn(show);
    const port = await serve({ bearer }, handler);
    expect(await raw(port, request("/"))).toMatch(
      /^HTTP\/1\.1 401 .*WWW-Authenticate: Bearer realm="mcp-tunnel"\r\n/s,
    );
    expect(await raw(port, request("/", `Authorization: Bearer ${key}x`))).toMatch(/^HTTP\/1\.1 401 /);
    expect(handler).not.toHaveBeenCalled();
    expect(await raw(port, request("/", `Authorization: Bearer ${key}`))).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("takes the proof and forged fields away in every form in which Node gives fields", async () => {
    const port = await serve({ bearer });
    const lines = [
      ...[`X-API-Key: ${key}`, "X-Tunnel-User: forged", "X_Tunnel_User: forged", "X-Tunnel-Visitor: forged"],
      ...[
        "Cookie: a=1; __Host-mcp-tunnel-s=forged",
        "Cookie: b=2",
        "Accept: a",
        "accept: b",
        "X_API_Key: forged",
      ],
    ];
    const answer = await raw(port, request("/", ...lines));
    const seen = JSON.parse(answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1)) as object;
    expect(seen).toEqual({
      rawHeaders: [
        ...["Host", "evil.test", "Cookie", "a=1", "Cookie", "b=2", "Accept", "a", "accept", "b"],
        ...["Connection", "close", "X-Tunnel-User", "laptop"],
      ],
      headers: {
        ...{ host: "evil.test", cookie: "a=1; b=2", accept: "a, b", connection: "close" },
        "x-tunnel-user": "laptop",
      },
      headersDistinct: {
        ...{ host: ["evil.test"], cookie: ["a=1", "b=2"], accept: ["a", "b"], connection: ["close"] },
        "x-tunnel-user": ["laptop"],
      },
      rawTrailers: [],
      trailers: {},
      trailersDistinct: {},
    });
  });

  it("gives the handler no trailers, in which he could write what he likes", async () => {
    const port = await serve({ bearer });
    const head = `POST / HTTP/1.1\r\nHost: a\r\nX-API-Key: ${key}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`;
    const answer = await raw(port, `${head}2\r\nhi\r\n0\r\nX-Tunnel-User: forged\r\nX-Sum: 1\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('"rawTrailers":[],"trailers":{},"trailersDistinct":{}');
    expect(answer).not.toContain("forged");
  });

  it.each(["http://evil.test/.well-known/mcp-registry-auth", "http://evil.test/"])(
    "takes no target in absolute form, which a handler would read otherwise: %s",
    async (target) => {
      const handler = vi.fn(show);
      const port = await serve({ bearer }, handler);
      expect(await raw(port, request(target, `X-API-Key: ${key}`))).toMatch(/^HTTP\/1\.1 400 /);
      expect(handler).not.toHaveBeenCalled();
    },
  );

  it("answers a request whose body still comes, and ends the connection", async () => {
    const port = await serve({ bearer });
    const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegun";
    expect(await raw(port, head)).toMatch(/^HTTP\/1\.1 401 .*Connection: close/s);
  });

  it("knows the visitor by his connection alone", async () => {
    const allowed = await serve({ allowAddresses: ["127.0.0.1"] });
    const other = await serve({ allowAddresses: ["192.0.2.1"] });
    const lines = ["X-Forwarded-For: 192.0.2.1", "X-Tunnel-Visitor: 192.0.2.1"];
    expect(await raw(allowed, request("/", ...lines))).toMatch(/^HTTP\/1\.1 200 /);
    expect(await raw(other, request("/", ...lines))).toMatch(/^HTTP\/1\.1 403 /);
  });

  it("has the gate's own pages, which learn the place from the program and not from the visitor", async () => {
    const port = await serve({ oauth: { passcode: "a passcode that nobody checks" } });
    const lines = ["X-Forwarded-Host: evil.test", "X-Tunnel-Visitor: 10.0.0.1", "X-Forwarded-Proto: http"];
    const answer = await raw(port, request("/.mcp-tunnel/token", ...lines));
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('"Host","demo.relay.test","X-Forwarded-Host","demo.relay.test"');
    expect(answer).toContain('"X-Forwarded-Proto","https","X-Tunnel-Visitor","127.0.0.1"');
    expect(answer).not.toMatch(/evil|10\.0\.0\.1/);
  });

  it.each(["demo.relay.test", "https://demo.relay.test/", "https://demo.relay.test/mcp", ""])(
    "needs an origin, and %j is none",
    async (wrong) => {
      const gate = await gateOf({ bearer });
      expect(() => gatedHandler(show, gate, { origin: wrong })).toThrow(
        expect.objectContaining({ code: "invalid_option", options: ["origin"] }),
      );
    },
  );
});

describe("a gate before upgrades", () => {
  const ask = (target: string, ...lines: string[]): string =>
    [`GET ${target} HTTP/1.1`, "Host: a", "Connection: Upgrade", "Upgrade: echo/1", ...lines, "", ""].join(
      "\r\n",
    );

  async function serveUpgrades(): Promise<{ port: number; reached: (string | string[] | undefined)[] }> {
    const reached: (string | string[] | undefined)[] = [];
    const gate = await gateOf({ bearer, oauth: { passcode: "a passcode that nobody checks" } });
    const server = createServer(gatedHandler(show, gate, { origin }));
    const listener = gatedUpgrade(
      (req, socket) => {
        reached.push(req.headers["x-tunnel-user"], req.headers["x-api-key"]);
        socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\n");
      },
      gate,
      { origin },
    );
    server.on("upgrade", listener);
    return { port: await listening(server), reached };
  }

  it("lets only those through who have a proof", async () => {
    const { port, reached } = await serveUpgrades();
    expect(await raw(port, ask("/"))).toMatch(
      /^HTTP\/1\.1 401 Unauthorized\r\n.*WWW-Authenticate: Bearer .*\r\n\r\nThis needs a key/s,
    );
    expect(await raw(port, ask("/.well-known/acme-challenge/a"))).toMatch(/^HTTP\/1\.1 401 /);
    expect(await raw(port, ask("/.mcp-tunnel/token"))).toMatch(/^HTTP\/1\.1 400 /);
    expect(reached).toEqual([]);
    expect(await raw(port, ask("/", `X-API-Key: ${key}`))).toMatch(/^HTTP\/1\.1 101 /);
    expect(reached).toEqual(["laptop", undefined]);
  });

  it("is not there for a server that has only the handler: Node takes the request for an ordinary one", async () => {
    const handler = vi.fn(show);
    const port = await serve({ bearer }, handler);
    expect(await raw(port, ask("/", "Connection: close"))).toMatch(/^HTTP\/1\.1 401 /);
    expect(handler).not.toHaveBeenCalled();
  });
});
