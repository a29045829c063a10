import type { Lead } from "./leads.js";
import type { Summary } from "./stats.js";
import { processesOf, ratioOf, valueOf, type Verdict, type WorkloadResult } from "./results.js";

/**
 * A Markdown table of one workload. It reads well on a terminal too. `base`: the system that ratios are to.
 */
export function workloadTable(result: WorkloadResult, systems: readonly string[], base = "floor"): string {
  const { workload } = result;
  const metrics = Object.entries(workload.metrics);
  const measured = systems.filter((system) => result.rounds.has(system));
  const hasCpu = workload.operation !== undefined;
  const hasRatio = result.rounds.has(base) && measured.length > 1;
  const main = metrics[0]?.[0];
  const header = [
    workload.title,
    ...metrics.map(([name, { unit }]) => `${name}, ${unit}`),
    ...(hasRatio && main !== undefined ? [`${main} / ${base}`] : []),
    ...(hasCpu ? [`CPU µs / ${workload.operation}`] : []),
    ...(hasCpu && hasRatio ? [`CPU / ${base}`] : []),
    "peak memory, MB",
  ];
  const rows = measured.map((system) => {
    const processes = processesOf(result, system);
    const cells = [system, ...metrics.map(([name]) => show(valueOf(result, system, name)))];
    if (hasRatio && main !== undefined) cells.push(show(ratioOf(result, system, main, base)));
    if (hasCpu) {
      const parts = processes.length > 1 ? processes.map((use) => `${use.name} ${show(use.cpu)}`) : [];
      const total = show(valueOf(result, system, "cpu"));
      cells.push(parts.length === 0 ? total : `${total} (${parts.join(", ")})`);
      if (hasRatio) cells.push(show(ratioOf(result, system, "cpu", base)));
    }
    cells.push(processes.map((use) => `${use.name} ${Math.round(use.peakBytes / 1e6)}`).join(", ") || "–");
    return cells;
  });
  const errors = [...result.errors].map(([system, error]) => `\n${system} failed: ${error}`);
  return table(header, rows) + errors.join("");
}

const verdictWords: Record<Verdict["verdict"], string> = {
  goal: "goal met",
  limit: "goal not met",
  unclear: "below the limit, within the spread",
  missed: "LIMIT MISSED",
};

/** The table of targets. */
export function targetTable(verdicts: readonly Verdict[]): string {
  const header = ["target", "measured", "must not pass", "goal", ""];
  const rows = verdicts.map(({ target, measured, verdict }) => {
    const sign = target.bound === "at-least" ? "≥" : "≤";
    return [
      target.title,
      `${show(measured)} ${target.unit}`,
      `${sign} ${target.limit}`,
      `${sign} ${target.goal}`,
      verdictWords[verdict],
    ];
  });
  return table(header, rows);
}

const leadWords: Record<Lead["verdict"], string> = {
  ahead: "ahead",
  even: "even, within the spread",
  behind: "BEHIND",
};

/** The table of the best other tunnel that knows HTTP, row by row. */
export function leadTable(rows: readonly Lead[]): string {
  if (rows.length === 0) return "No other tunnel that knows HTTP took part.";
  const header = ["row", "metric", "best of the others that know HTTP", "ours, times better", ""];
  return table(
    header,
    rows.map(({ title, metric, rival, ratio, verdict }) => [
      title,
      metric,
      rival,
      show(ratio),
      leadWords[verdict],
    ]),
  );
}

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length), 3));
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, column) => (row[column] ?? "").padEnd(width)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [line(header), rule, ...rows.map(line)].join("\n");
}

/** Three significant digits, and the spread after ± where there is one. */
export function show(value: Summary | number | undefined): string {
  if (value === undefined) return "–";
  if (typeof value === "number") return digits(value);
  return value.spread === 0 ? digits(value.median) : `${digits(value.median)} ± ${digits(value.spread)}`;
}

function digits(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 100) return Math.round(value).toLocaleString("en");
  return value.toFixed(magnitude >= 10 ? 1 : 2);
}
