import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { scaled } from "../resilience/scale.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startClientCommand } from "../support/commands.js";
import { memoryRise, tellsMemory } from "../support/memory.js";
import { type Outcome, tryToRegister } from "./support/raw-peers.js";
import { RawVisitor } from "./support/raw-visitor.js";
import { startWorld, type World } from "./support/world.js";

/**
 * The attack: connect as a client does and send nothing, from many addresses, as often as possible. Every
 * connection that waits for a registration keeps memory, and a place that an honest client needs. Or register
 * thousands of names.
 *
 * The defence: a short time for the registration message, a rate for each address, and a number of places in
 * all, in which the connection that has been silent for longest makes way. There are bounds for tunnels, in
 * all and for each token.
 */
const close = closingAfterEach();
const places = 100;
const addresses = 50;
const total = scaled(1_000, 10_000);
/** For each address. About as many as the flood's own addresses use until the newcomer is in. */
const perMinute = scaled(100, 300);
let world: World;
beforeAll(async () => {
  world = await startWorld([
    ...["--max-pending-registrations", String(places), "--registration-timeout", "2s"],
    ...[
      "--max-registrations-per-minute",
      String(perMinute),
      "--max-tunnels",
      "12",
      "--max-tunnels-per-token",
      "5",
    ],
    ...["--max-connections-per-address", "5000"],
  ]);
});
afterAll(() => world.close());

const handshake =
  "GET /_tunnel/register HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

it.skipIf(!tellsMemory)(
  `${total} handshakes from fifty addresses: tunnels go on, and new clients get in`,
  async () => {
    const honest = close(await world.startHonest());
    let done = 0;
    let newcomerIsIn = false;
    const open = new Set<RawVisitor>();
    const [rise] = await memoryRise([world.relay.pid], async () => {
      const flood = async (address: string): Promise<void> => {
        for (let i = 0; i < total / addresses || !newcomerIsIn; i++) {
          const visitor = new RawVisitor({ port: world.port, localAddress: address });
          visitor.send(handshake);
          await visitor.until((received) => received.includes("\r\n\r\n"));
          done += 1;
          // The visitor sends nothing more, and its connection stays for as long as the relay lets it.
          open.add(visitor);
          void visitor.closed.then(() => open.delete(visitor));
        }
      };
      const floods = Array.from({ length: addresses }, (_, i) => flood(`127.0.1.${i + 1}`));
      // In the middle of the flood an honest client arrives.
      while (done < total / 5) await delay(5);
      const newcomer = await startClientCommand(world.upstream.port, world.port, ["--subdomain", "newcomer"]);
      newcomerIsIn = true;
      await newcomer.close();
      await Promise.all(floods);
    });
    expect(done).toBeGreaterThanOrEqual(total);
    expect(await world.limitHits("pending_registrations")).toBeGreaterThan(total / 10);
    expect(open.size).toBeLessThan(places + 200);
    expect(rise).toBeLessThan(96 * 1_048_576);
    await world.expectHonest(honest);
    // The connections that still wait are soon out of time.
    while (open.size > 0) await delay(50);
    expect(await world.limitHits("registration_time")).toBeGreaterThan(0);
  },
  60_000,
);

it("one address may only ask so often, and what it asks for too much costs it nothing but an answer", async () => {
  const statuses: string[] = [];
  for (let i = 0; i < perMinute + 60; i++) {
    const visitor = new RawVisitor({ port: world.port, localAddress: "127.0.2.1" });
    visitor.send(handshake);
    const received = await visitor.until((text) => text.includes("\r\n\r\n"));
    statuses.push(received.slice(9, 12));
    visitor.close();
  }
  expect(statuses.filter((status) => status === "101").length).toBeGreaterThanOrEqual(perMinute);
  expect(statuses.filter((status) => status === "429").length).toBeGreaterThanOrEqual(20);
  expect(await world.limitHits("registrations_per_address")).toBeGreaterThanOrEqual(20);
});

it("tunnels are bounded for each token and in all, and those that are there stay", async () => {
  const attempt = async (token: string, name: string): Promise<Outcome> => {
    const { outcome, peer } = await tryToRegister(world.port, { token, subdomain: name }, "127.0.3.1");
    close(peer);
    return outcome;
  };
  const own: Outcome[] = [];
  for (let i = 0; i < 6; i++) own.push(await attempt("one", `one-${i}`));
  expect(own).toEqual(["one-0", "one-1", "one-2", "one-3", "one-4", 4001]);
  const all: Outcome[] = [];
  for (let i = 0; i < 8; i++) all.push(await attempt(`token-${i}`, `many-${i}`));
  // `demo` and the five tunnels are there, so six more fit.
  expect(all).toEqual(["many-0", "many-1", "many-2", "many-3", "many-4", "many-5", 1013, 1013]);
  expect(await world.limitHits("tunnels_per_token")).toBe(1);
  expect(await world.limitHits("tunnels")).toBe(2);
  // A token that takes its own name over adds no tunnel.
  expect(await attempt("one", "one-0")).toBe("one-0");
  const visitor = world.connect("127.0.0.2");
  visitor.send(`${world.head("GET /status/200", "Connection: close")}\r\n`);
  expect(await visitor.all()).toContain("200 OK");
});
