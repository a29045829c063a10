import { createRelay } from "mcp-tunnel";
import { startTunnelClient, type TunnelClient } from "mcp-tunnel-client";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { END, frame, types } from "../../packages/protocol/test/support/wire.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type RawServer, startRawServer } from "../support/raw-server.js";
import { missingProgram } from "../support/requires.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { startNginx } from "./support/nginx.js";
import { type RawPeer, type RawRelay, startRawRelay } from "./support/raw-peers.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";
import { startRecordedRelay } from "./support/servers.js";
import { readVectors, type PathVector, type RequestVector } from "./support/vectors.js";

/**
 * The attack: the client runs on a laptop, inside networks that the attacker does not reach. A relay that was taken
 * over, or a visitor with the right path, makes it send requests elsewhere: to another port, to the cloud's metadata
 * service, to whatever a redirect says. Or a body that ends early leaves a second request on the connection to the service.
 *
 * The defence: the target is fixed when the client starts and nothing that the relay sends is joined into a URL; the path
 * goes out byte for byte or not at all; redirects are passed on and not followed; every head and length is checked again.
 */
const close = closingAfterEach();
const { vectors: paths } = readVectors("paths");
const { requests: heads } = readVectors("heads");

describe("targets at the relay", () => {
  it.each(
    paths.map((vector) => ({ ...vector, as: `${vector.method ?? "GET"} ${JSON.stringify(vector.target)}` })),
  )("$as: $relay ($origin)", async (vector) => {
    const world = close(await startRecordedRelay());
    const visitor = close(new RawVisitor({ port: world.port }));
    visitor.send(requestOf(vector));
    const [status] = statuses(await visitor.all());
    const arrived = world.client.requests.map(({ head }) => head.path);
    if (vector.relay === "pass") {
      expect([status, arrived]).toEqual([200, [vector.arrives ?? vector.target]]);
    } else expect([status, arrived]).toEqual([Number(vector.relay), []]);
  });
});

function requestOf({ method = "GET", target }: PathVector): string {
  return `${method} ${target} HTTP/1.1\r\nHost: app.tunnel.test\r\nConnection: close\r\n\r\n`;
}

describe("a relay that was taken over", () => {
  let relay: RawRelay;
  let hostile: RawPeer;
  let client: TunnelClient;
  let service: RawServer;
  let decoy: RawServer;
  let decoyConnections = 0;
  /** What came over each connection to the local service. */
  let connections: string[] = [];
  let id = 0;

  beforeAll(async () => {
    decoy = await startRawServer(() => {
      decoyConnections += 1;
    });
    // Answers whatever ends like a head, or a body after it, and keeps the connection: a lenient server.
    service = await startRawServer((socket) => {
      const index = connections.push("") - 1;
      socket.on("data", (chunk) => {
        connections[index] += chunk.toString("latin1");
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      });
    });
    relay = await startRawRelay();
    [hostile, client] = await Promise.all([
      relay.nextClient(),
      startTunnelClient({
        port: service.port,
        relayUrl: `http://127.0.0.1:${relay.port}`,
        shutdownGraceMs: 0,
      }),
    ]);
  });
  afterAll(async () => {
    await client.close();
    await Promise.all([relay.close(), service.close(), decoy.close()]);
    // Not one of all these has made it leave its target.
    expect(decoyConnections).toBe(0);
  });
  beforeEach(() => {
    connections = connections.map(() => "");
  });

  /** Sends a request and returns what the client made of it. */
  async function send(head: string, vector: Partial<RequestVector>): Promise<"answered" | "refused"> {
    id += 1;
    const { body, trailers, upgrade = false } = vector;
    const bytes = Buffer.from(head, "latin1");
    const flags = (body === undefined && !upgrade ? END : 0) | (upgrade ? 0x40 : 0);
    const messages = [frame(types.REQUEST | flags, id, bytes)];
    if (body !== undefined) {
      messages.push(frame(types.DATA | (trailers === undefined ? END : 0), id, Buffer.from(body, "latin1")));
    }
    if (trailers !== undefined)
      messages.push(frame(types.END, id, Buffer.from(trailers.join("\n"), "latin1")));
    const before = hostile.frames.length;
    hostile.send(Buffer.concat(messages));
    const answer = await hostile.until((frames) =>
      frames
        .slice(before)
        .find(({ stream, type }) => stream === id && (type === types.RESPONSE || type === types.RESET)),
    );
    return answer.type === types.RESPONSE ? "answered" : "refused";
  }

  const targets = [
    ...paths,
    ...[
      "http://127.0.0.1:DECOY/",
      "//127.0.0.1:DECOY/",
      "@127.0.0.1:DECOY/",
      "127.0.0.1:DECOY",
      "/\\127.0.0.1:DECOY/",
    ].map(
      (target): PathVector => ({
        target,
        relay: "",
        client: target.startsWith("/") ? "pass" : "refuse",
        origin: "a server that waits to be reached",
      }),
    ),
  ];
  it.each(
    targets.map((vector) => ({
      ...vector,
      as: `${vector.method ?? "GET"} ${JSON.stringify(vector.target)}`,
    })),
  )("sends the path $as: $client ($origin)", async ({ target, method = "GET", client: expected }) => {
    const path = target.replace("DECOY", String(decoy.port));
    const result = await send(`${method}\n${path}\nHost\n127.0.0.1:${decoy.port}`, {});
    const seen = connections.join("");
    if (expected === "pass") {
      expect(result).toBe("answered");
      expect(seen.split("\r\n")[0]).toBe(`${method} ${path} HTTP/1.1`);
      expect(hostsIn(seen)).toEqual([`localhost:${service.port}`]);
    } else expect([result, seen]).toEqual(["refused", ""]);
  });

  it.each(heads)("sends a head: $name: $expect ($origin)", async (vector) => {
    const head = [vector.method, vector.path, ...vector.headers].join("\n");
    const result = await send(head, vector);
    const used = connections.filter((text) => text !== "");
    expect(used.length).toBeLessThanOrEqual(1);
    const [seen = ""] = used;
    if (vector.expect === "refuse") {
      expect(result).toBe("refused");
      // What had left was not a whole request, and its connection is not used again.
      if (seen !== "") expect(wholeBody(seen)).toBeUndefined();
    } else if (vector.expect === "pass") {
      expect(result).toBe("answered");
      expect(seen.startsWith(`${vector.method} ${vector.path} HTTP/1.1\r\n`)).toBe(true);
      expect(wholeBody(seen)).toBe(vector.body ?? "");
      expect(hostsIn(seen)).toEqual([`localhost:${service.port}`]);
      if (vector.never !== undefined) expect(seen).not.toContain(vector.never);
    }
    expect(seen).not.toMatch(/^X-Injected/m);
    // The next request is on its own.
    connections = connections.map(() => "");
    expect(await send("GET\n/canary\nHost\nx", {})).toBe("answered");
    const canary = connections.filter((text) => text !== "");
    expect(canary).toEqual([expect.stringMatching(/^GET \/canary HTTP\/1\.1\r\n.*\r\n\r\n$/s)]);
  });

  function hostsIn(text: string): string[] {
    const head = text.slice(0, text.indexOf("\r\n\r\n"));
    return [...head.matchAll(/^Host: (.*)$/gim)].map((match) => (match[1] as string).trimEnd());
  }

  /** The body by the framing that the head announces, if it is there in whole and nothing is left over. */
  function wholeBody(text: string): string | undefined {
    const end = text.indexOf("\r\n\r\n");
    const head = text.slice(0, end);
    const rest = text.slice(end + 4);
    const lengths = [...head.matchAll(/^content-length: *(\d+)/gim)];
    const codings = [...head.matchAll(/^transfer-encoding: *(\S+)/gim)];
    if (lengths.length + codings.length > 1) throw new Error(`two framings: ${JSON.stringify(head)}`);
    if (codings.length === 0) return rest.length === Number(lengths[0]?.[1] ?? 0) ? rest : undefined;
    if (!rest.endsWith("0\r\n\r\n") && !/\r\n0\r\n(?:[\w-]+: .*\r\n)+\r\n$/.test(rest)) return undefined;
    let body = "";
    for (let at = 0; ; ) {
      const line = rest.indexOf("\r\n", at);
      const size = Number.parseInt(rest.slice(at, line), 16);
      if (size === 0) return body;
      body += rest.slice(line + 2, line + 2 + size);
      at = line + 4 + size;
    }
  }
});

describe("a service that redirects", () => {
  it("is not followed: the visitor gets the redirect", async () => {
    let followed = 0;
    const decoy = close(
      await startRawServer(() => {
        followed += 1;
      }),
    );
    const upstream = close(await startUpstream());
    const relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0 });
    const { port } = await relay.listen();
    close({ close: () => relay.close(0) });
    const relayUrl = `http://127.0.0.1:${port}`;
    close(await startTunnelClient({ port: upstream.port, relayUrl, subdomain: "app" }));
    const visitor = close(new RawVisitor({ port }));
    const to = `http://127.0.0.1:${decoy.port}/metadata`;
    visitor.send(
      `GET /redirect?to=${encodeURIComponent(to)} HTTP/1.1\r\nHost: app.tunnel.test\r\nConnection: close\r\n\r\n`,
    );
    expect(await visitor.all()).toMatch(new RegExp(`^HTTP/1.1 302 .*Location: ${to}`, "is"));
    expect(followed).toBe(0);
  });
});

describe.skipIf(missingProgram("nginx"))("targets with nginx in front and the client behind", () => {
  let upstream: Upstream;
  beforeAll(async () => {
    upstream = await startUpstream();
  });
  afterAll(() => upstream?.close());

  it("arrive at the service byte for byte, or not at all", async () => {
    const relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0 });
    const { port } = await relay.listen();
    close({ close: () => relay.close(0) });
    const relayUrl = `http://127.0.0.1:${port}`;
    close(await startTunnelClient({ port: upstream.port, relayUrl, subdomain: "app", shutdownGraceMs: 0 }));
    const nginx = close(await startNginx(port));
    let passed = 0;
    for (const vector of paths) {
      const before = upstream.requests.length;
      const visitor = close(new RawVisitor({ port: nginx.port }));
      visitor.send(requestOf(vector));
      await visitor.all();
      const seen = upstream.requests.slice(before).map(({ path }) => path);
      // nginx refuses some by itself; a fragment, and what stands before the path, it takes off.
      if (seen.length === 0) continue;
      passed += 1;
      const arrives = vector.relay === "pass" ? (vector.arrives ?? vector.target) : seen[0];
      expect(seen).toEqual([arrives]);
      expect(arrives).toMatch(/^[/*]/);
    }
    expect(passed).toBeGreaterThan(35);
  });
});
