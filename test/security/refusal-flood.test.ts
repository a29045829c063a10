import { describe, expect, it } from "vitest";
import { END, frame, types } from "../../packages/protocol/test/support/wire.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type ClientCommand, startClientCommand } from "../support/commands.js";
import { startCannedServer } from "../support/raw-server.js";
import { connectRawClient, type RawPeer, startRawRelay } from "./support/raw-peers.js";
import { startWorld } from "./support/world.js";

/**
 * The attack: the client shows the requests that the relay refuses. A visitor sends as many such requests as
 * the relay can refuse, for a tunnel whose client would have to hear of each. Or a relay that was taken over
 * invents refusals with any text it likes, so that they fill the screen or the screen obeys them, and
 * visitors have to wait.
 *
 * The defence: both ends count refusals by kind, and hand the counts on once a second. The texts are short
 * and made of visible bytes. They are escaped once more before they are printed.
 */
const close = closingAfterEach();

async function hostileRelay(): Promise<{ client: ClientCommand; relay: RawPeer }> {
  const service = close(await startCannedServer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  const relay = close(await startRawRelay({ protocol: 1 }));
  const client = close(await startClientCommand(service.port, relay.port, ["--shutdown-grace", "0s"]));
  return { client, relay: await relay.nextClient() };
}

const refusedLines = (client: ClientCommand) => client.json.filter(({ event }) => event === "refused");

describe("a relay that was taken over", () => {
  it("cannot fill the client's screen with refusals, nor keep it from its visitors", async () => {
    const { client, relay } = await hostileRelay();
    const startedAt = performance.now();
    const kinds = Array.from({ length: 32 }, (_, i) =>
      ["other", "413", "999999999", "POST", "/".padEnd(200, "x"), `o${"-".repeat(i)} 1 bytes`].join("\n"),
    );
    const burst = Buffer.concat(new Array<Buffer>(500).fill(frame(types.REFUSED, 0, kinds.join("\n"))));
    for (let i = 0; i < 10; i++) relay.send(burst);
    relay.send(frame(types.REQUEST | END, 1, "GET\n/"));
    await relay.next("RESPONSE");
    // All refusals before it have arrived when the client tells of this request.
    await client.waitForJson({ event: "request" });
    const seconds = (performance.now() - startedAt) / 1_000;
    expect(refusedLines(client).length).toBeGreaterThan(0);
    expect(refusedLines(client).length).toBeLessThanOrEqual(32 * (seconds + 1));
  });

  it("cannot have it write what a terminal obeys", async () => {
    const { client, relay } = await hostileRelay();
    relay.send(frame(types.REFUSED, 0, "url_too_long\n414\n1\nGET\n/\u001b[2J\n"));
    expect((await relay.closed).code).toBe(1002);
    expect(refusedLines(client)).toEqual([]);
  });
});

describe("a visitor whose requests are refused by the thousand", () => {
  it("costs the client a line a second", async () => {
    const world = close(await startWorld(["--max-url-length", "100"]));
    const honest = await world.startHonest();
    const startedAt = performance.now();
    const refused = 2_000;
    const visitor = world.connect();
    visitor.send(`${world.head(`GET /${"u".repeat(100)}`)}\r\n`.repeat(refused));
    await visitor.until((received) => received.split(" 414 ").length > refused);
    const seconds = (performance.now() - startedAt) / 1_000;
    const counted = (): number =>
      refusedLines(world.client).reduce((all, { count }) => all + Number(count), 0);
    await world.client.waitFor("count of all", () => (counted() === refused ? true : undefined));
    expect(refusedLines(world.client).length).toBeLessThanOrEqual(seconds + 2);
    await world.expectHonest(honest);
  });

  it("costs one that has not announced it nothing", async () => {
    const world = close(await startWorld(["--max-url-length", "100"]));
    const old = close(await connectRawClient(world.port, "old"));
    const visitor = world.connect();
    const head = (path: string): string => `GET /${path} HTTP/1.1\r\nHost: old.localhost\r\n\r\n`;
    visitor.send(head("u".repeat(100)) + head("short"));
    await old.next("REQUEST");
    expect(old.frames.map(({ type }) => type)).toEqual([types.REQUEST]);
  });
});
