import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { directWay, isFailure, journalOf } from "../services/matrix/matrix.js";
import { type Relays, schemes, startRelays } from "../services/matrix/relays.js";
import { allSoftware } from "../services/matrix/software/all.js";

const softwares = allSoftware.filter((software) => !software.missing());
const combinations = ["", ...["keep", "rewrite", "drop"].flatMap(withForwarded)];

function withForwarded(origin: string): string[] {
  return ["all", "for,proto", "for,host", "for"].map(
    (forwarded) => `--origin ${origin} --forwarded-headers ${forwarded}`,
  );
}

/**
 * Which defaults of the client let the most services work without an option? This asks all of them of the matrix, with each of its
 * servers, and prints a table: which scenarios do not work, by their numbers, over http and over https.
 */
describe("the client's defaults", () => {
  let relays: Relays;
  beforeAll(async () => {
    relays = await startRelays();
  });
  afterAll(() => relays?.close());
  /** The scenarios that work with each combination, over all software and both schemes. */
  const working = new Map(combinations.map((options) => [options, 0]));

  it.each(softwares)("are tried, and all else, with $name", { timeout: 300_000 }, async (software) => {
    const service = await software.start();
    try {
      const scenarios = Object.entries(software.scenarios);
      const direct = new Map<string, string[]>();
      for (const [name, scenario] of scenarios)
        direct.set(name, await journalOf(scenario, directWay(service)));
      expect([...direct.values()].flat().filter(isFailure)).toEqual([]);
      const lines = [software.name, ...scenarios.map(([name], i) => `  ${i + 1} ${name}`)];
      for (const options of combinations) {
        const cells: string[] = [];
        for (const scheme of schemes) {
          const tunnel = await relays.connect(scheme, service.port, options);
          const broken: number[] = [];
          for (const [i, [name, scenario]] of scenarios.entries()) {
            const seen = await journalOf(scenario, tunnel);
            if (seen.join("\n") === direct.get(name)?.join("\n")) {
              working.set(options, (working.get(options) ?? 0) + 1);
            } else broken.push(i + 1);
          }
          await tunnel.close();
          cells.push(`${scheme} ${broken.length === 0 ? "all" : `not ${broken.join(", ")}`}`);
        }
        lines.push(
          `  ${(options || "by default").padEnd(45)} ${cells.map((cell) => cell.padEnd(22)).join("")}`,
        );
      }
      console.log(lines.join("\n"));
    } finally {
      await service.close();
    }
  });

  it("let as many scenarios work as any other", () => {
    console.log(working);
    expect(working.get("")).toBe(Math.max(...working.values()));
  });
});
