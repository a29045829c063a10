import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { table } from "../report.js";

const file = fileURLToPath(new URL("../../../../docs/security.md", import.meta.url));

const header = [
  "Attack",
  "Tries",
  "Limits that took effect",
  "Relay, MB",
  "Honest requests",
  "p50, p99 in ms",
  "Sockets left",
  "Ended in s",
];

/** The table of the measurements and the machine, as docs/security.md has it. `bounds` in words. */
export function document(rows: readonly (readonly string[])[], seconds: number, bounds: string): string {
  const date = new Date().toISOString().slice(0, 10);
  return [
    `${date}, Node ${process.versions.node}, ${cpus().length} cores that everything shared, ` +
      `${seconds} s of each attack. Bounds: ${bounds}.`,
    "",
    table(header, rows),
  ].join("\n");
}

/**
 * The rows of docs/security.md with these `rows` among them: each replaces the row of its name, and new ones
 * come at the end. The first of `rows` was measured without an attack; the document keeps its own.
 */
export function withOthers(rows: readonly (readonly string[])[]): (readonly string[])[] {
  const [, text = ""] =
    /<!-- attacks -->([^]*)<!-- end of attacks -->/.exec(readFileSync(file, "utf8")) ?? [];
  const written = text
    .split("\n")
    .filter((line) => /^\| (none|\*\*)/.test(line))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const nameOf = (row: readonly string[]): string | undefined => row[0]?.split(":", 1)[0];
  const measured = new Map(rows.slice(1).map((row) => [nameOf(row), row]));
  const known = new Set(written.map(nameOf));
  const added = [...measured.values()].filter((row) => !known.has(nameOf(row)));
  return [...written.map((row) => measured.get(nameOf(row)) ?? row), ...added];
}

/** @throws Error when docs/security.md has no place for the table, or already has this table. */
export function write(text: string): void {
  const before = readFileSync(file, "utf8");
  const after = before.replace(/(<!-- attacks -->\n)[^]*(<!-- end of attacks -->)/, `$1\n${text}\n\n$2`);
  if (after === before) throw new Error("docs/security.md has no place for the table");
  writeFileSync(file, after);
}
