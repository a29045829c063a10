// `npm run fuzz -- [--minutes N] [--seed S] [NAME ...]`: tries the properties about hostile peers, or those
// of the files named, again and again with new seeds. `npm run test:security` tries each a few times. Exit
// status 1 when a property does not hold. Findings belong into test/vectors, where every run of the tests
// tries them.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const { values, positionals } = parseArgs({
  options: { minutes: { type: "string", default: "10" }, seed: { type: "string" } },
  allowPositionals: true,
});
const totalMs = Number(values.minutes) * 60_000;
let seed = Number(values.seed ?? Math.floor(Math.random() * 0x7fffffff));
if (!(totalMs > 0) || !Number.isSafeInteger(seed)) {
  console.error("usage: npm run fuzz -- [--minutes N] [--seed S] [NAME ...]");
  process.exit(2);
}
const files =
  positionals.length > 0
    ? positionals
    : ["test/fuzz/", "packages/protocol/test/", "test/security/04-header-injection"];

/**
 * @typedef {{ path: string, counterexample: string, error: string }} Finding
 * @typedef {{ property: string, seed: number, runs: number, finding?: Finding }} Report
 */
/** @type {Map<string, { runs: number, findings: number }>} */
const properties = new Map();
const findings = new Set();
const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-fuzz-"));
// So short that all properties have their turn several times. A finding in the first ones shall not keep the
// others from theirs.
const eachMs = Math.min(10_000, Math.max(2_000, totalMs / 60));
const startedAtMs = performance.now();
const deadlineMs = startedAtMs + totalMs;
let otherFailure = false;

for (let round = 1; performance.now() < deadlineMs; round++, seed++) {
  const reports = await tryAll(join(folder, `${round}.jsonl`));
  for (const report of reports) note(report);
  const runs = reports.reduce((sum, report) => sum + report.runs, 0);
  const minutes = ((performance.now() - startedAtMs) / 60_000).toFixed(1);
  console.log(
    `${minutes} min: round ${round}, seed ${seed}: ${reports.length} properties, ${runs} runs, ` +
      `${findings.size} findings in all`,
  );
  if (reports.length === 0) break;
}
rmSync(folder, { recursive: true });

const width = Math.max(...[...properties.keys()].map((name) => name.length));
console.log();
for (const [name, { runs, findings: found }] of properties) {
  console.log(
    `${name.padEnd(width)} ${String(runs).padStart(8)} runs ${found === 0 ? "" : `${found} FINDINGS`}`,
  );
}
const all = [...properties.values()].reduce((sum, { runs }) => sum + runs, 0);
console.log(`\n${all} runs, ${findings.size} findings`);
process.exitCode = findings.size > 0 || otherFailure || properties.size === 0 ? 1 : 0;

/**
 * One round, in one process.
 * @param {string} reportFile
 * @returns {Promise<Report[]>}
 */
async function tryAll(reportFile) {
  const env = {
    ...process.env,
    MCP_TUNNEL_FUZZ_MS: String(Math.ceil(eachMs)),
    MCP_TUNNEL_FUZZ_SEED: String(seed),
    MCP_TUNNEL_FUZZ_REPORT: reportFile,
  };
  const child = spawn(
    process.execPath,
    [vitest, "run", "--mode", "security", ...files, "--no-file-parallelism"],
    {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      env,
    },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  const status = await new Promise((resolve) => child.on("close", resolve));
  const reports = readReports(reportFile);
  // An error that no property caught is a finding as well. Only vitest knows about it.
  if (status !== 0 && reports.every((report) => report.finding === undefined)) {
    otherFailure = true;
    console.log(output);
  }
  return reports;
}

/**
 * @param {string} file
 * @returns {Report[]}
 */
function readReports(file) {
  try {
    return readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  } catch {
    return [];
  }
}

/** @param {Report} report */
function note({ property, seed: used, runs, finding }) {
  const sum = properties.get(property) ?? { runs: 0, findings: 0 };
  properties.set(property, {
    runs: sum.runs + runs,
    findings: sum.findings + (finding === undefined ? 0 : 1),
  });
  if (finding === undefined) return;
  findings.add(property + finding.counterexample);
  console.log(
    `\nFOUND: ${property}\n  ${finding.error}\n  counterexample: ${finding.counterexample}\n` +
      `  again: MCP_TUNNEL_FUZZ_SEED=${used} MCP_TUNNEL_FUZZ_PATH=${finding.path} npx vitest run --mode security -t '${property.split(" > ").at(-1)}'\n`,
  );
}
