import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { END, frame, types } from "../../packages/protocol/test/support/wire.js";
import { closingAfterEach } from "../support/cleanup.js";
import { cpuMs, memoryRise, tellsMemory } from "../support/memory.js";
import { connectRawClient, type RawPeer } from "./support/raw-peers.js";
import { statuses } from "./support/raw-visitor.js";
import { startWorld, type World } from "./support/world.js";

/**
 * The attack: a client answers with heads of 13 MB, which the JSON wire carries in one message, or with heads
 * of 600,000 fields, or with a message that is all structure. The relay parses each of them, checks it field
 * by field and writes it out several times over. Meanwhile it does nothing else: an honest visitor of another
 * tunnel waits for seconds.
 *
 * The defence: on both wires, the bytes and the fields of a head are bounded. A message whose part beside the
 * body is larger than a head may be is refused before it is parsed.
 */
const close = closingAfterEach();
const mebibyte = 1_048_576;
let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

/** The processor time that four such answers may cost the relay, in milliseconds. Each one took seconds. */
const mostCpuMs = 2_000;

/** The ids of the requests that a client of the JSON wire has received. */
function idsHeardBy(client: RawPeer): string[] {
  const ids: string[] = [];
  client.ws.on("message", (data: Buffer) => {
    const message = JSON.parse(data.toString()) as { kind: string; id: string };
    if (message.kind === "request") ids.push(message.id);
  });
  return ids;
}

/** Visits the tunnel and resolves with the status, once the client has answered. */
async function visit(name: string): Promise<number> {
  const visitor = close(world.connect());
  visitor.send(`GET / HTTP/1.1\r\nHost: ${name}.localhost\r\n\r\n`);
  return statuses(await visitor.until((received) => statuses(received).length > 0))[0] as number;
}

async function heard(ids: readonly string[], count: number, client: RawPeer): Promise<void> {
  while (ids.length < count) await new Promise((resolve) => client.ws.once("message", resolve));
}

const fields = (count: number, value = ""): string =>
  `{${Array.from({ length: count }, (_, i) => `"x${i}":"${value}"`).join()}}`;
const answer = (headers: string, id = "ID"): string =>
  `{"id":"${id}","status":200,"headers":${headers},"body":null}`;

describe.skipIf(!tellsMemory)("the JSON wire", () => {
  const bombs: [string, string][] = [
    ["a head of 13 MB", answer(`{"x-a":"${"x".repeat(13e6)}"}`)],
    ["600,000 fields", answer(fields(600_000))],
    ["two million fields in an array", answer(`{"x":[${'"",'.repeat(2e6)}""]}`)],
    ["nested arrays", `{"id":"ID","x":${"[".repeat(7e6)}${"]".repeat(7e6)}}`],
    ["empty objects", `{"id":"ID","x":[${"{},".repeat(5e6)}0]}`],
  ];

  it.each(bombs)("%s cost no time that others would have to wait", async (_, bomb) => {
    const honest = close(await world.startHonest());
    const client = close(await connectRawClient(world.port, "bomber", {}));
    const ids = idsHeardBy(client);
    const attempts = 4;
    const visits = Array.from({ length: attempts }, () => visit("bomber"));
    await heard(ids, attempts, client);
    const cpuBefore = cpuMs(world.relay.pid);
    const [rise] = await memoryRise([world.relay.pid], async () => {
      for (const id of ids) client.send(bomb.replace("ID", id));
      // The relay refuses the exchange, or ends the session.
      expect(new Set(await Promise.all(visits))).toEqual(new Set([502]));
    });
    expect(cpuMs(world.relay.pid) - cpuBefore).toBeLessThan(mostCpuMs);
    expect(rise).toBeLessThan(256 * mebibyte);
    await world.expectHonest(honest);
  });

  it("a head with too many fields, or too many bytes, is a 502, and the tunnel goes on", async () => {
    const client = close(await connectRawClient(world.port, "large-heads", {}));
    const ids = idsHeardBy(client);
    const heads = [fields(3_000), `{"x-a":"${"x".repeat(300_000)}"}`, fields(100)];
    const got: number[] = [];
    for (const [i, headers] of heads.entries()) {
      const status = visit("large-heads");
      await heard(ids, i + 1, client);
      client.send(answer(headers, ids[i]));
      got.push(await status);
    }
    expect(got).toEqual([502, 502, 200]);
  });
});

describe("version 1", () => {
  it("a head with too many fields is a 502, and the tunnel goes on", async () => {
    const client = close(await connectRawClient(world.port, "many-fields"));
    const got: number[] = [];
    for (const [i, count] of [80_000, 3_000, 100].entries()) {
      const status = visit("many-fields");
      const { stream } = await client.next("REQUEST", i === 0 ? 0 : client.frames.length);
      client.send(frame(types.RESPONSE | END, stream, `200${"\na\n".repeat(count)}`));
      got.push(await status);
    }
    expect(got).toEqual([502, 502, 200]);
  });

  it("interim heads and trailers are bounded as well", async () => {
    const client = close(await connectRawClient(world.port, "many-trailers"));
    const first = visit("many-trailers");
    const request = await client.next("REQUEST");
    client.send(frame(types.INTERIM, request.stream, `103${"\na\n".repeat(3_000)}`));
    expect(await first).toBe(502);
    const visitor = close(world.connect());
    const before = client.frames.length;
    visitor.send("GET / HTTP/1.1\r\nHost: many-trailers.localhost\r\n\r\n");
    const { stream } = await client.next("REQUEST", before);
    client.send(frame(types.RESPONSE, stream, "200"));
    client.send(frame(types.DATA, stream, "x"));
    client.send(frame(types.END, stream, `a\n${"\na\n".repeat(3_000)}`));
    // The body is cut, so that it does not look whole.
    expect((await visitor.all()).endsWith("0\r\n\r\n")).toBe(false);
  });
});
