import { createRelay } from "mcp-tunnel";
import { startTunnelClient } from "mcp-tunnel-client";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { type RawServer, startRawServer } from "../support/raw-server.js";
import { startUpstream } from "../support/upstream.js";
import { HostileRelay, hostsIn, wholeBody } from "./support/hostile-relay.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";
import { startRecordedRelay } from "./support/servers.js";
import { readVectors, type PathVector } from "./support/vectors.js";

/**
 * The attack: the client runs on a laptop, inside networks that the attacker does not reach. A relay that was
 * taken over, or a visitor with the right path, makes the client send requests elsewhere: to another port, to
 * the cloud's metadata service, to the target of a redirect. Or a body that ends early leaves a second
 * request on the connection to the service.
 *
 * The defence: the target is fixed when the client starts, and no bytes of the relay are joined into a URL.
 * The path goes out byte for byte or not at all. Redirects are passed on and not followed. Every head and
 * length is checked again.
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
  let hostile: HostileRelay;
  let decoy: RawServer;
  let decoyConnections = 0;

  beforeAll(async () => {
    decoy = await startRawServer(() => {
      decoyConnections += 1;
    });
    hostile = await HostileRelay.start();
  });
  afterAll(async () => {
    await hostile.close();
    await decoy.close();
    // None of these requests has made the client leave its target.
    expect(decoyConnections).toBe(0);
  });
  beforeEach(() => hostile.forget());

  const own = (): string[] => [`localhost:${hostile.service.port}`];

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
    const result = await hostile.send(`${method}\n${path}\nHost\n127.0.0.1:${decoy.port}`);
    const seen = hostile.used.join("");
    if (expected === "pass") {
      expect(result).toBe("answered");
      expect(seen.split("\r\n")[0]).toBe(`${method} ${path} HTTP/1.1`);
      expect(hostsIn(seen)).toEqual(own());
    } else expect([result, seen]).toEqual(["refused", ""]);
  });

  it.each(heads)("sends a head: $name: $expect ($origin)", async (vector) => {
    const head = [vector.method, vector.path, ...vector.headers].join("\n");
    const result = await hostile.send(head, vector);
    expect(hostile.used.length).toBeLessThanOrEqual(1);
    const [seen = ""] = hostile.used;
    if (vector.expect === "refuse") {
      expect(result).toBe("refused");
      // The bytes that left were not a whole request, and the client does not use the connection again.
      if (seen !== "") expect(wholeBody(seen)).toBeUndefined();
    } else if (vector.expect === "pass") {
      expect(result).toBe("answered");
      expect(seen.startsWith(`${vector.method} ${vector.path} HTTP/1.1\r\n`)).toBe(true);
      expect(wholeBody(seen)).toBe(vector.body ?? "");
      expect(hostsIn(seen)).toEqual(own());
      if (vector.never !== undefined) expect(seen).not.toContain(vector.never);
    }
    expect(seen).not.toMatch(/^X-Injected/m);
    // The next request is on a connection without such bytes.
    hostile.forget();
    expect(await hostile.send("GET\n/canary\nHost\nx")).toBe("answered");
    expect(hostile.used).toEqual([expect.stringMatching(/^GET \/canary HTTP\/1\.1\r\n.*\r\n\r\n$/s)]);
  });
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
