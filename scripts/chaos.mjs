// `npm run chaos`: breaks a cluster in every way of test/cluster, often enough for figures. `--only NAME`
// (again for more) runs those files alone, `--repetitions N` repeats at most so often, `--quick` does it as
// `npm run test:cluster` does. `--write` puts what was seen into docs/cluster/failures.md; rows of failures
// that were not tried stay.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const document = join(root, "docs", "cluster", "failures.md");
const head = "| Failure | Visitor | Client | Times, and when |\n| --- | --- | --- | --- |\n";

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    repetitions: { type: "string", default: "100" },
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});

const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-chaos-"));
const rows = join(folder, "rows.jsonl");
try {
  const files =
    values.only.length === 0 ? ["test/cluster/"] : values.only.map((name) => `test/cluster/${name}.`);
  const { status, error } = spawnSync(
    process.execPath,
    [vitest, "run", "--mode", "cluster", "--no-file-parallelism", ...files],
    {
      cwd: root,
      stdio: "inherit",
      env: {
        ...process.env,
        MCP_TUNNEL_CHAOS_ROWS: rows,
        ...(values.quick ? {} : { MCP_TUNNEL_CHAOS_REPETITIONS: values.repetitions }),
      },
    },
  );
  if (error !== undefined) throw error;
  process.exitCode = status ?? 1;
  if (values.write && existsSync(rows)) write(readFileSync(rows, "utf8"));
} finally {
  rmSync(folder, { recursive: true });
}

/**
 * Puts the rows into the table of the document, in the place of older ones about the same failure.
 * @param {string} lines A row in JSON on each line.
 */
function write(lines) {
  const text = readFileSync(document, "utf8");
  const start = text.indexOf(head);
  if (start === -1) throw new Error(`${document} has no table that begins with:\n${head}`);
  const table =
    text
      .slice(start + head.length)
      .split("\n\n", 1)[0]
      ?.trimEnd() ?? "";
  const known = new Map(table.split("\n").map((line) => [line.split(" | ", 1)[0], line]));
  const when = `${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}`;
  for (const line of lines.trim().split("\n")) {
    const { failure, repetitions, visitor, client } = JSON.parse(line);
    known.set(`| ${failure}`, `| ${failure} | ${visitor} | ${client} | ${repetitions}; ${when} |`);
  }
  known.delete("");
  const rest = text.slice(start + head.length + table.length);
  writeFileSync(document, text.slice(0, start) + head + [...known.values()].join("\n") + rest);
}
