import { afterAll, beforeAll, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand } from "../support/commands.js";
import { missingProgram } from "../support/requires.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";
import { startRecordedRelay } from "./support/servers.js";
import { startWorld, type World } from "./support/world.js";

/**
 * The attack: one machine with a slow line holds a server up with requests that never end: a byte of a head
 * now and then (Slowloris), a body that is announced and trickles (R.U.D.Y.), connections that send nothing.
 * Each of them costs the attacker nothing. It costs the server a connection, and perhaps a stream of a tunnel
 * and a worker of the service.
 *
 * The defence: a head has a time limit however often a byte comes. A body may not pause for long. Idle
 * connections are closed. One address has only so many connections and requests. If possible, all of this
 * happens before the tunnel hears anything.
 */
const close = closingAfterEach();
let world: World;
beforeAll(async () => {
  world = await startWorld([
    ...["--header-timeout", "1s", "--body-timeout", "1s"],
    ...["--max-connections-per-address", "200", "--max-requests-per-address", "100"],
  ]);
});
afterAll(() => world.close());

/** Sends a byte of `text` every so often until the connection is closed. */
function trickle(send: (text: string) => void, text: string, everyMs: number): { close(): void } {
  let at = 0;
  const timer = setInterval(() => send(text[at++ % text.length] as string), everyMs);
  return { close: () => clearInterval(timer) };
}

it("a head that trickles is answered with 408, and the tunnel never hears of it", async () => {
  const honest = close(await world.startHonest());
  const before = world.upstream.requests.filter(({ path }) => path !== "/status/200").length;
  const slow = Array.from({ length: 100 }, () => world.connect());
  for (const visitor of slow) {
    visitor.send(world.head("GET /slow-head"));
    close(trickle((text) => visitor.send(text), "X-Slow: 1\r\n", 100));
  }
  const answers = await Promise.all(slow.map((visitor) => visitor.all()));
  // If a visitor's next byte crossed the answer, the kernel only tells that the connection is gone.
  for (const answer of answers)
    expect(answer).toMatch(/^$|^HTTP\/1\.1 408 .*X-Tunnel-Error: request_timeout/s);
  expect(world.upstream.requests.filter(({ path }) => path !== "/status/200")).toHaveLength(before);
  expect(await world.limitHits("header_time")).toBeGreaterThanOrEqual(100);
  await world.expectHonest(honest);
});

it("a body that stops is answered with 408, and the service's request is cut", async () => {
  const honest = close(await world.startHonest());
  const aborted = world.upstream.nextAbort();
  const slow = Array.from({ length: 50 }, () => world.connect());
  for (const visitor of slow)
    visitor.send(`${world.head("POST /hash", "Content-Length: 1000")}\r\nonly this`);
  for (const visitor of slow) expect(statuses(await visitor.all())).toEqual([408]);
  expect((await aborted).path).toBe("/hash");
  expect(await world.limitHits("body_time")).toBe(50);
  await world.expectHonest(honest);
});

it("a body that only trickles goes on, as it must on a slow line, but takes one of its address's places", async () => {
  const honest = close(await world.startHonest());
  const slow = Array.from({ length: 100 }, () => world.connect());
  for (const visitor of slow) {
    visitor.send(`${world.head("POST /hash", "Content-Length: 100000")}\r\n`);
    close(trickle((text) => visitor.send(text), "x", 100));
  }
  // The relay must have counted all of them first: the service shows that it has.
  while (world.upstream.requests.filter(({ path }) => path === "/hash").length < 150) {
    await world.upstream.nextRequest();
  }
  const refused = world.connect();
  refused.send(`${world.head("GET /status/200", "Connection: close")}\r\n`);
  expect(await refused.all()).toMatch(/^HTTP\/1\.1 429 .*X-Tunnel-Error: too_many_requests/s);
  expect(await world.limitHits("requests_per_address")).toBe(1);
  for (const visitor of slow) visitor.close();
  await world.expectHonest(honest);
});

it("connections of one address beyond its share are closed, and another address connects", async () => {
  const honest = close(await world.startHonest());
  const many = Array.from({ length: 260 }, () => world.connect());
  // The connections within the limit are closed as well, when they have sent nothing for long enough.
  await Promise.all(many.map((visitor) => visitor.closed));
  expect(await world.limitHits("connections_per_address")).toBeGreaterThanOrEqual(60);
  await world.expectHonest(honest);
});

it("a connection that lies idle after its request is closed", async () => {
  const hits: string[] = [];
  const { port, ...served } = await startRecordedRelay({
    idleTimeoutMs: 300,
    observers: [{ onEnd() {}, onLimit: ({ limit }) => hits.push(limit) }],
  });
  close(served);
  const visitor = close(new RawVisitor({ port }));
  visitor.send("GET / HTTP/1.1\r\nHost: app.tunnel.test\r\n\r\n");
  expect(statuses(await visitor.all())).toEqual([200]);
  expect(hits).toEqual(["idle_time"]);
});

it.skipIf(missingProgram("slowhttptest"))(
  "slowhttptest's slow heads, bodies and reads, all at once, leave the honest visitor alone",
  async () => {
    const honest = close(await world.startHonest());
    const before = await world.limitHits("header_time");
    const url = `http://127.0.0.1:${world.port}/bytes/200000`;
    const attacks = [
      ["-H", "-i", "1", "-x", "24"],
      ["-B", "-i", "1", "-s", "8192", "-x", "10"],
      ["-X", "-w", "64", "-y", "128", "-n", "1", "-z", "32", "-k", "1"],
    ];
    const common = ["-u", url, "-c", "60", "-r", "100", "-l", "3", "-p", "2"];
    const runs = attacks.map((args) => close(new RunningCommand("slowhttptest", [...args, ...common])));
    await Promise.all(runs.map(({ exited }) => exited));
    expect(await world.limitHits("header_time")).toBeGreaterThan(before);
    await world.expectHonest(honest);
  },
);
