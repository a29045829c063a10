// `npm run attacks -- [--seconds N] [--only NAMES] [--write]`: measures how each attack affects the relay, or
// the client, and an honest visitor. The relay, the clients, their services, the honest visitor and the
// attacker are processes of their own. Exit status 1 when a bound is passed. --write puts the table into
// docs/security.md; with --only, these rows of it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setTimeout as delay } from "node:timers/promises";
import { peakBytes, resetPeak, residentBytes } from "../proc.js";
import type { Attack } from "./attack.js";
import { attacks } from "./attacks.js";
import { document, withOthers, write } from "./document.js";
import { bounds, cells, type Outcome, passed } from "./outcome.js";
import { runAttacker, startScene } from "./processes.js";

const warmUpMs = 3_000;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "30" },
    only: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds);
const only = values.only?.split(",");
const chosen = attacks.filter(({ name }) => only?.includes(name) ?? true);
if (!(seconds > 0) || chosen.length === 0) {
  console.error(
    "usage: npm run attacks -- [--seconds N] [--only NAMES] [--write]\n" +
      attacks.map(({ name }) => name).join(", "),
  );
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-attacks-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const outcomes: Outcome[] = [];
for (const attack of [undefined, ...chosen]) {
  const outcome = await measure(attack);
  outcomes.push(outcome);
  console.log(
    `${cells(outcome).join(" | ")}${passed(outcome)
      .map((what) => `\n  BOUND PASSED: ${what}`)
      .join("")}`,
  );
}
const rows = outcomes.map(cells);
const text = document(values.write && only !== undefined ? withOthers(rows) : rows, seconds, bounds);
console.log(`\n${text}`);
if (values.write) write(text);
process.exit(outcomes.flatMap(passed).length === 0 ? 0 : 1);

async function measure(attack: Attack | undefined): Promise<Outcome> {
  const scene = await startScene(attack, folder);
  try {
    await delay(warmUpMs);
    await scene.honest.report();
    const { pid } = scene.victim;
    const idleBytes = residentBytes(pid);
    resetPeak(pid);
    const { attempts, failures } =
      attack === undefined
        ? await delay(seconds * 1_000, { attempts: 0, failures: {} })
        : await Promise.race([runAttacker(attack, scene.attackPort, seconds), scene.victim.failed]);
    const honest = await scene.honest.report();
    const limits = await scene.limits();
    const peak = peakBytes(pid);
    return {
      attack,
      seconds,
      attempts,
      failures,
      limits,
      idleBytes,
      peakBytes: peak,
      honest,
      ending: await scene.end(),
    };
  } finally {
    await scene.stop();
  }
}
