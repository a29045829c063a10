// `npm run attacks -- [--seconds N] [--only NAMES] [--write]`: what each attack does to the relay and to an honest visitor.
// The relay, the clients, their services, the honest visitor and the attacker are processes of their own. Exit status 1
// when a bound is passed. --write puts the table into docs/security.md; with --only, these rows of it.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setTimeout as delay } from "node:timers/promises";
import { peakBytes, resetPeak, residentBytes } from "../proc.js";
import { table } from "../report.js";
import { type Attack, attacks } from "./attacks.js";
import type { HonestReport } from "./honest-main.js";
import { runAttacker, startScene } from "./processes.js";

/** What no attack may drive the relay's memory beyond. */
const maxPeakBytes = 512 * 1_048_576;
/** What an honest visitor has to put up with at most, on two cores that the attacker and all the others share. */
const maxP99Ms = 1_000;
const warmUpMs = 3_000;

interface Outcome {
  attack: Attack | undefined;
  attempts: number;
  limits: string[];
  idleBytes: number;
  peakBytes: number;
  honest: HonestReport;
}

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
    `usage: npm run attacks -- [--seconds N] [--only NAMES] [--write]\n${attacks.map(({ name }) => name).join(", ")}`,
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
const failed = outcomes.flatMap((outcome) => passed(outcome));
const file = fileURLToPath(new URL("../../../../docs/security.md", import.meta.url));
const text = document(values.write && only !== undefined ? withOthers(outcomes) : outcomes.map(cells));
console.log(`\n${text}`);
if (values.write) write(text);
process.exit(failed.length === 0 ? 0 : 1);

async function measure(attack: Attack | undefined): Promise<Outcome> {
  const scene = await startScene(attack, folder);
  try {
    await delay(warmUpMs);
    await scene.honest.report();
    const { pid } = scene.relay;
    const idleBytes = residentBytes(pid);
    resetPeak(pid);
    const attempts =
      attack === undefined
        ? await delay(seconds * 1_000, 0)
        : await Promise.race([runAttacker(attack, scene.relayPort, seconds), scene.relay.failed]);
    const honest = await scene.honest.report();
    const limits = [...(await scene.limits())]
      .filter(([, count]) => count > 0)
      .map(([limit, count]) => `\`${limit}\` ${count.toLocaleString("en")}`);
    return { attack, attempts, limits, idleBytes, peakBytes: peakBytes(pid), honest };
  } finally {
    await scene.stop();
  }
}

/** Which bounds an outcome is beyond. */
function passed({ attack, peakBytes: peak, honest }: Outcome): string[] {
  const name = attack?.name ?? "undisturbed";
  const found: string[] = [];
  if (peak > maxPeakBytes) found.push(`${name}: the relay used ${megabytes(peak)} MB`);
  const failures = Object.entries(honest.failures).map(([why, count]) => `${count} x ${why}`);
  if (failures.length > 0) found.push(`${name}: honest requests failed: ${failures.join("; ")}`);
  if (honest.p99Ms > maxP99Ms) found.push(`${name}: an honest p99 of ${honest.p99Ms.toFixed(0)} ms`);
  // As many as were due, within what a busy machine's timers make of it.
  if (honest.answered < seconds * 60) found.push(`${name}: only ${honest.answered} honest requests`);
  return found;
}

function cells({ attack, attempts, limits, idleBytes, peakBytes: peak, honest }: Outcome): string[] {
  const failures = Object.values(honest.failures).reduce((sum, count) => sum + count, 0);
  return [
    attack === undefined ? "none" : `**${attack.name}**: ${attack.what}`,
    attack === undefined ? "–" : attempts.toLocaleString("en"),
    limits.join(", ") || "–",
    `${megabytes(idleBytes)} → ${megabytes(peak)}`,
    `${honest.answered.toLocaleString("en")}, ${failures} failed`,
    `${honest.p50Ms.toFixed(1)}, ${honest.p99Ms.toFixed(0)}`,
  ];
}

function document(rows: readonly string[][]): string {
  const header = [
    "Attack",
    "Tries",
    "Limits that took effect",
    "Relay, MB",
    "Honest requests",
    "p50, p99 in ms",
  ];
  const date = new Date().toISOString().slice(0, 10);
  return [
    `${date}, Node ${process.versions.node}, ${cpus().length} cores that everything shared, ${seconds} s of each attack. Bounds: ` +
      `${maxPeakBytes / 1_048_576} MiB, no failure, a p99 of ${maxP99Ms.toLocaleString("en")} ms.`,
    "",
    table(header, rows),
  ].join("\n");
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

/** The rows of these outcomes among those that the document has already. */
function withOthers(all: readonly Outcome[]): string[][] {
  const [, written = ""] =
    /<!-- attacks -->([^]*)<!-- end of attacks -->/.exec(readFileSync(file, "utf8")) ?? [];
  const rows = written
    .split("\n")
    .filter((line) => /^\| (none|\*\*)/.test(line))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const nameOf = (row: readonly string[]): string | undefined => row[0]?.split(":", 1)[0];
  const measured = new Map(
    all
      .filter(({ attack }) => attack !== undefined)
      .map(cells)
      .map((row) => [nameOf(row), row]),
  );
  return rows.map((row) => measured.get(nameOf(row)) ?? row);
}

function write(table: string): void {
  const before = readFileSync(file, "utf8");
  const after = before.replace(/(<!-- attacks -->\n)[^]*(<!-- end of attacks -->)/, `$1\n${table}\n\n$2`);
  if (after === before) throw new Error("docs/security.md has no place for the table");
  writeFileSync(file, after);
}
