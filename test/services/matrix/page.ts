import type { Need, Software } from "./matrix.js";

/**
 * The tables of docs/services.md: the results of each software through the tunnel, as the tests of the matrix
 * find them.
 */
export function servicesTables(softwares: readonly Software[]): string {
  const works = softwares.map(({ name, expected, alsoWith = [] }) => {
    const byDefault = Object.keys(expected).filter((scenario) => expected[scenario] === "works");
    const as = alsoWith.map((options) => `\`${options}\``).join("; ");
    return `| ${name} | ${byDefault.join("; ") || "none of the scenarios"} | ${as} |`;
  });
  return [
    "| Software | Works by default | Works also with |",
    "|---|---|---|",
    ...works,
    "",
    "| Software | Does not work by default | Works with | Why |",
    "|---|---|---|---|",
    ...softwares.flatMap(needRows),
  ].join("\n");
}

/** A row for each need. Several scenarios may have the same need. */
function needRows({ name, expected }: Software): string[] {
  const scenarios = new Map<Need, string[]>();
  for (const [scenario, need] of Object.entries(expected)) {
    if (need === "works") continue;
    scenarios.set(need, [...(scenarios.get(need) ?? []), scenario]);
  }
  return [...scenarios].map(([{ over, with: options, why }, names]) => {
    const scheme = over === undefined ? "" : `, over ${over.join(" and ")}`;
    const how = options === "none" ? "no option" : `\`${options}\``;
    return `| ${name} | ${names.join("; ")}${scheme} | ${how} | ${why} |`;
  });
}
