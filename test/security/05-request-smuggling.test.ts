import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { startTunnelClient, type TunnelClient } from "mcp-tunnel-client";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { missingProgram } from "../support/requires.js";
import { type Nginx, startNginx } from "./support/nginx.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";
import { type RecordedRelay, startRecordedRelay } from "./support/servers.js";
import { readVectors, type SmugglingVector } from "./support/vectors.js";

/**
 * The attack: a request whose end two readers see in different places. What the second reader takes for the next
 * request was written by the attacker and is answered in somebody else's name, or its answer goes to somebody else
 * (J. Kettle, "HTTP Desync Attacks", 2019 and later).
 *
 * The defence: what is ambiguous is refused and its connection closed; Transfer-Encoding is never passed on; each
 * hop frames the body anew from what was counted.
 */
const { vectors } = readVectors("smuggling");
const host = "app.tunnel.test";

function bytesOf({ request }: SmugglingVector): string {
  const text = request.replaceAll("{host}", host);
  return text.replace("{length}", String(text.length - text.indexOf("\r\n\r\n") - 4));
}

function bodyOf(vector: SmugglingVector): string {
  const text = bytesOf(vector);
  return vector.body ?? text.slice(text.search(/[^\r\n]/)).replace(/^.*?\r\n\r\n/s, "");
}

/** Sends the vector and returns what came back until it was answered or the connection closed. */
async function send(port: number, text: string): Promise<{ received: string; closed: boolean }> {
  const visitor = new RawVisitor({ port });
  visitor.send(text);
  await visitor.until((received) => statuses(received).length > 0);
  // Answered twice would show at once: both answers are to bytes that were sent together.
  await new Promise((resolve) => setImmediate(resolve));
  const result = {
    received: visitor.received,
    closed: visitor.socket.closed || visitor.socket.readableEnded,
  };
  visitor.close();
  return result;
}

let world: RecordedRelay;
beforeAll(async () => {
  // For the one that waits for more.
  world = await startRecordedRelay({ headerTimeoutMs: 600 });
});
afterAll(() => world.close());
beforeEach(() => {
  world.client.requests.length = 0;
});

describe("at the relay", () => {
  it.each(vectors)("$name: $expect ($origin)", async (vector) => {
    const { requests } = world.client;
    const { received } = await send(world.port, bytesOf(vector));
    const [status] = statuses(received);
    expect(statuses(received).length).toBeLessThanOrEqual(1);
    if (vector.expect === "pass") {
      expect(status).toBe(200);
      expect(requests.map(({ head, body, whole }) => [head.path, body, whole])).toEqual([
        ["/vector", bodyOf(vector), true],
      ]);
    } else {
      if (status !== undefined) expect(status).toBeGreaterThanOrEqual(400);
      expect(requests.filter(({ whole }) => whole)).toEqual([]);
      if (vector.expect === "reject") expect(requests).toEqual([]);
    }
    const framing = requests.flatMap(({ head }) => head.headers.filter((_, i) => i % 2 === 0));
    expect(framing.map((name) => name.toLowerCase())).not.toContain("transfer-encoding");
  });
});

describe.skipIf(missingProgram("nginx"))("with nginx in front and the client behind", () => {
  const paths: string[] = [];
  const bodies: string[] = [];
  /** A service that keeps its connections, as smuggling needs. */
  const service = createServer((req, res) => void answer(req).then((text) => res.end(text)));
  async function answer(req: IncomingMessage): Promise<string> {
    paths.push(req.url ?? "");
    let body = "";
    req.setEncoding("latin1");
    for await (const chunk of req) body += chunk as string;
    bodies.push(body);
    return `answer to ${req.url}`;
  }

  let nginx: Nginx;
  let client: TunnelClient;
  beforeAll(async () => {
    service.listen(0, "127.0.0.1");
    await once(service, "listening");
    client = await startTunnelClient({
      port: (service.address() as AddressInfo).port,
      relayUrl: `http://127.0.0.1:${world.port}`,
      subdomain: "app",
    });
    nginx = await startNginx(world.port);
  });
  afterAll(async () => {
    await nginx?.close();
    await client?.close();
    service.close();
  });

  it("every request that the service sees was meant to be one, and every visitor gets the answer to his own", async () => {
    for (const vector of vectors) {
      paths.length = 0;
      bodies.length = 0;
      const { received } = await send(nginx.port, bytesOf(vector));
      // The canary goes over the connections that nginx and the client have kept: poisoned, it would get another answer.
      const canary = `/canary-${Math.random().toString(36).slice(2)}`;
      const honest = await send(nginx.port, `GET ${canary} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      expect([vector.name, honest.received]).toEqual([
        vector.name,
        expect.stringMatching(
          new RegExp(`^HTTP/1.1 200 OK\r\n.*\r\n\r\n(?:.*\r\n)?answer to ${canary}`, "s"),
        ),
      ]);
      expect(paths).not.toContain("/smuggled");
      expect(paths.filter((path) => path !== canary && path !== "/vector")).toEqual([]);
      if (statuses(received)[0] === 200 && vector.expect === "pass" && paths.length > 1) {
        expect([vector.name, bodies[0]]).toEqual([vector.name, bodyOf(vector)]);
      }
    }
  }, 60_000);
});
