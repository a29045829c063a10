import type { Expectation, Software } from "./matrix.js";

/** The tables of docs/services.md: what each software does through the tunnel as the tests of the matrix find it. */
export function servicesTable(softwares: readonly Software[]): string {
  const rows = softwares.map(({ name, expected }) => {
    const scenarios = Object.entries(expected);
    const byDefault = scenarios
      .filter(([, expectation]) => expectation === "works")
      .map(([scenario]) => scenario);
    const others = scenarios.flatMap(([scenario, expectation]) => needText(scenario, expectation));
    return `| ${name} | ${byDefault.join("; ")} | ${others.join("; ")} |`;
  });
  return ["| Software | By default it | Otherwise it |", "|---|---|---|", ...rows].join("\n");
}

function needText(scenario: string, expectation: Expectation): string[] {
  if (expectation === "works") return [];
  const over = expectation.over === undefined ? "" : ` over ${expectation.over.join(" and ")}`;
  const how = expectation.with === "none" ? "with no option" : `with \`${expectation.with}\``;
  return [`${scenario}${over} ${how}: ${expectation.why}`];
}
