import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { limitList, limitText } from "../../packages/relay/src/limits.js";

const text = readFileSync(new URL("../../docs/security.md", import.meta.url), "utf8");

/** The cells of the table whose head begins with `head`. */
function rows(head: string): string[][] {
  const from = text.split("\n").findIndex((line) => line.startsWith(`| ${head} `));
  const lines = text.split("\n").slice(from + 2);
  const end = lines.findIndex((line) => !line.startsWith("|"));
  const cells = (line: string): string[] => line.split("|").map((cell) => cell.trim());
  return lines.slice(0, end).map((line) => cells(line).slice(1, -1));
}

it("docs/security.md has every limit, in order, with its variable, default, meaning and counter", () => {
  const known = limitList.map(({ flag, unit, default: standard, derived, text: meaning, name }) => [
    `\`--${flag}\``,
    `\`MCP_TUNNEL_${flag.toUpperCase().replaceAll("-", "_")}\``,
    derived ?? (unit === "count" ? standard.toLocaleString("en") : limitText({ unit }, standard)),
    meaning,
    name === undefined ? "–" : `\`${name}\``,
  ]);
  const documented = rows("Option");
  expect(documented.map((cells) => [...cells.slice(0, 4), cells[5]])).toEqual(known);
  for (const [option, , , , consequence] of documented) expect(consequence, option).not.toBe("");
});

it("docs/security.md has figures for the attacks, none of which passed a bound", () => {
  const table = /<!-- attacks -->\n([^]*)<!-- end of attacks -->/.exec(text)?.[1] ?? "";
  const [, maxMebibytes, maxMs] =
    /Bounds:\s(\d+)\sMiB,\sno\sfailure,\sa\sp99\sof\s([\d,]+)\sms/.exec(table) ?? [];
  const figures = rows("Attack");
  expect(figures.length).toBeGreaterThan(15);
  for (const [attack, , , memory, honest, latency, sockets = "0", seconds = "0"] of figures) {
    const peak = Number(/→ (\d+)$/.exec(memory ?? "")?.[1]);
    expect(peak * 1e6, attack).toBeLessThan(Number(maxMebibytes) * 1_048_576);
    expect(honest, attack).toMatch(/^[\d,]+, 0 failed$/);
    const p99Ms = Number(latency?.split(", ")[1]?.replaceAll(",", ""));
    expect(p99Ms, attack).toBeLessThanOrEqual(Number(maxMs?.replaceAll(",", "")));
    expect(sockets, attack).toMatch(/^(0|\d+ unread)$/);
    // A number of seconds, and not "killed".
    expect(Number(seconds), attack).toBeGreaterThanOrEqual(0);
  }
});
