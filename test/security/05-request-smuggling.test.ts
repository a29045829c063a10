import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { HostileRelay, wholeBody } from "./support/hostile-relay.js";
import { connectRawClient } from "./support/raw-peers.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";
import { type RecordedRelay, startRecordedRelay } from "./support/servers.js";
import { bodyOf, bytesOf, readVectors } from "./support/vectors.js";

/**
 * The attack: a request whose end two readers see in different places. The second reader takes some bytes for
 * the next request that the attacker wrote. It answers them in the name of another visitor, or sends another
 * visitor their answer (J. Kettle, "HTTP Desync Attacks", 2019 and later).
 *
 * The defence: the relay refuses an ambiguous request and closes its connection. It never passes
 * Transfer-Encoding on. Each hop frames the body anew by the bytes that it counted.
 */
const close = closingAfterEach();
const { vectors } = readVectors("smuggling");
/** Sends the vector. Returns the bytes that came back until it was answered or the connection was closed. */
async function send(port: number, text: string): Promise<{ received: string; closed: boolean }> {
  const visitor = new RawVisitor({ port });
  visitor.send(text);
  await visitor.until((received) => statuses(received).length > 0);
  // A second answer would show at once: both would answer bytes that were sent together.
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
  // Short, for the vector that waits for more bytes.
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

it("what follows a request and is no HTTP is not answered in that request's place", async () => {
  const client = close(await connectRawClient(world.port, "slow"));
  const request = "GET / HTTP/1.1\r\nHost: slow.tunnel.test\r\n\r\n";
  for (const [first, second] of [
    [`${request}no HTTP\r\n\r\n`, ""],
    [request, "no HTTP\r\n\r\n"],
  ] as const) {
    const before = client.frames.length;
    const visitor = close(new RawVisitor({ port: world.port }));
    visitor.send(first);
    await client.next("REQUEST", before);
    visitor.send(second);
    expect(await visitor.all()).toBe("");
    await client.next("RESET", before);
  }
});

describe("at the client, whose relay passes all of it on as it stands", () => {
  let hostile: HostileRelay;
  beforeAll(async () => {
    hostile = await HostileRelay.start();
  });
  afterAll(() => hostile.close());

  it.each(vectors)("$name leaves one request, or none ($origin)", async (vector) => {
    hostile.forget();
    const text = bytesOf(vector).trimStart();
    const end = text.search(/\r?\n\r?\n/);
    const [line = "", ...fields] = text.slice(0, end).split(/\r?\n/);
    const [, method = "", path = ""] = /^(\S*) +(.*?)(?: +HTTP\/[^ ]*)?$/s.exec(line) ?? [
      line,
      line,
      "/vector",
    ];
    const body = text.slice(end).replace(/^\r?\n\r?\n/, "");
    const head = [method, path, ...fields.flatMap((field) => split(field))].join("\n");
    const result = await hostile.send(head, body === "" ? {} : { body });
    const [seen = "", ...others] = hostile.used;
    expect(others).toEqual([]);
    if (result === "answered") {
      expect(seen).toMatch(/^\S+ \/vector HTTP\/1\.1\r\n/);
      expect(wholeBody(seen)).toBe(body);
    } else if (seen !== "") expect(wholeBody(seen)).toBeUndefined();
    // The next request goes over the connection that the client has kept, if it has kept one.
    hostile.forget();
    expect(await hostile.send("GET\n/canary\nHost\nx")).toBe("answered");
    expect(hostile.used).toEqual([expect.stringMatching(/^GET \/canary HTTP\/1\.1\r\n[^]*\r\n\r\n$/)]);
  });

  /** Name and value as a careless reader takes them. */
  function split(field: string): [string, string] {
    const colon = field.indexOf(":");
    return colon === -1 ? [field, ""] : [field.slice(0, colon), field.slice(colon + 1).trim()];
  }
});
