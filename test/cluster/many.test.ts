import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { ask } from "../admin/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { eventually } from "./support/eventually.js";
import { isWhole, note } from "./support/figures.js";
import type { ClusterRelay } from "./support/relay.js";
import { EventReader, visit } from "./support/visitors.js";
import { noCluster, World } from "./support/world.js";

const closing = closingAfterEach();
const count = isWhole ? 3_000 : 150;
const processes = 3;
/** Visitors at the same time. */
const width = 40;

interface Losses {
  lost: number;
  back: number;
}

/** A process with some of the tunnels. */
async function startClients(world: World, first: number, some: number) {
  const args = [world.clients.port, world.service.port, first, some].map(String);
  const child = fork(fileURLToPath(new URL("support/many-clients.mjs", import.meta.url)), args);
  const losses: Losses = { lost: 0, back: 0 };
  world.opened({
    async close() {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  });
  await new Promise<void>((resolve, reject) => {
    child.on("message", (message) => {
      if (message === "open") resolve();
      else Object.assign(losses, message);
    });
    child.once("exit", (code) => reject(new Error(`the process with tunnels ended with ${code}`)));
  });
  return losses;
}

async function namesAt(relay: ClusterRelay): Promise<string[]> {
  const { json = {} } = await ask(`${relay.admin}/api/tunnels?scope=local`);
  return (json["tunnels"] as { name: string }[]).map(({ name }) => name);
}

it.skipIf(noCluster)(
  `one of three relays with ${count} tunnels is killed: all names answer again, and nothing else is disturbed`,
  async () => {
    const world = closing(await World.start());
    const each = count / processes;
    const losses = await Promise.all(
      Array.from({ length: processes }, (_, i) => startClients(world, i * each, each)),
    );
    const [killed, front, third] = [world.relay(0), world.relay(1), world.relay(2)];
    const [gone, kept] = [await namesAt(killed), await namesAt(third)];
    expect(gone.length).toBeGreaterThan(count / 6);
    expect(kept.length).toBeGreaterThan(count / 6);
    const untouched = await Promise.all(
      kept.slice(0, 20).map((name) => EventReader.open(front.port, name, 100)),
    );
    const killedAt = performance.now();
    await killed.kill();
    // One request for each name, made at once: it waits for its client. Elsewhere nobody waits.
    const waiting = [...gone, ...kept];
    let [lastMs, slowestKeptMs, heldTooLong] = [0, 0, 0];
    const keptNames = new Set(kept);
    const visitors = Array.from({ length: width }, async () => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        const isKept = keptNames.has(name);
        let answer = await visit(world.visitors.port, name, "/status/200");
        // The longest that a request waits for a client is 15 s. Whoever is told so comes again.
        while (!isKept && answer.status === 503) {
          heldTooLong += 1;
          answer = await visit(world.visitors.port, name, "/status/200");
        }
        expect({ name, status: answer.status }).toEqual({ name, status: 200 });
        if (isKept) slowestKeptMs = Math.max(slowestKeptMs, answer.ms);
        else lastMs = performance.now() - killedAt;
      }
    });
    await Promise.all(visitors);
    await Promise.all(untouched.map((reader) => reader.more()));
    const sum = (of: keyof Losses): number => losses.reduce((all, one) => all + one[of], 0);
    await eventually(() => sum("back") === gone.length, "every client is back");
    expect(sum("lost")).toBe(gone.length);
    for (const reader of untouched) await reader.close();
    const all = new Set([...(await namesAt(front)), ...(await namesAt(third))]);
    expect(all.size).toBe(count);
    note({
      failure: `One of three relays killed, ${count} tunnels`,
      repetitions: 1,
      visitor: `all ${gone.length} names of the relay answered after ${(lastMs / 1_000).toFixed(1)} s (${heldTooLong} requests had 503 after 15 s before); event streams of others went on, slowest request there ${Math.round(slowestKeptMs)} ms`,
      client: "only the clients of that relay lost their links; all are back with the others",
    });
  },
  isWhole ? 300_000 : 90_000,
);
