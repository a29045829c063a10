import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { directWay, isFailure, journalOf, type Service, type Software } from "../services/matrix/matrix.js";
import { type Relays, schemes, startRelays, type Way } from "../services/matrix/relays.js";
import { allSoftware } from "../services/matrix/software/all.js";

/** All combinations of options; the empty string is the current defaults. */
const combinations = ["", ...["keep", "rewrite", "drop"].flatMap(withForwarded)];

function withForwarded(origin: string): string[] {
  return ["all", "for,proto", "for,host", "for"].map(
    (forwarded) => `--origin ${origin} --forwarded-headers ${forwarded}`,
  );
}

/**
 * Finds the defaults of the client with which the most services work without an option. It tries all
 * combinations with each server of the matrix and prints a table: the scenarios that do not work, by their
 * numbers, over http and over https.
 */
describe("the client's defaults", () => {
  let relays: Relays;
  beforeAll(async () => {
    relays = await startRelays();
  });
  afterAll(() => relays?.close());
  /** The number of scenarios that work with each combination, over all software and both schemes. */
  const working = new Map(combinations.map((options) => [options, 0]));

  async function survey({ name, scenarios }: Software, service: Service): Promise<string> {
    const journals = async (way: Way): Promise<string[][]> => {
      const seen: string[][] = [];
      for (const scenario of Object.values(scenarios)) seen.push(await journalOf(scenario, way));
      return seen;
    };
    const direct = await journals(directWay(service));
    expect(direct.flat().filter(isFailure)).toEqual([]);
    const lines = [name, ...Object.keys(scenarios).map((scenario, i) => `  ${i + 1} ${scenario}`)];
    for (const options of combinations) {
      const cells: string[] = [];
      for (const scheme of schemes) {
        const tunnel = await relays.connect(scheme, service.port, options);
        const seen = await journals(tunnel);
        await tunnel.close();
        const broken = direct.flatMap((lines, i) =>
          lines.join("\n") === seen[i]?.join("\n") ? [] : [i + 1],
        );
        working.set(options, (working.get(options) ?? 0) + direct.length - broken.length);
        cells.push(`${scheme}: ${broken.length === 0 ? "all" : `not ${broken.join(", ")}`}`.padEnd(20));
      }
      lines.push(`  ${(options || "by default").padEnd(45)} ${cells.join(" ")}`);
    }
    return lines.join("\n");
  }

  for (const software of allSoftware) {
    it.skipIf(software.missing())(`are tried with ${software.name}`, { timeout: 300_000 }, async () => {
      const service = await software.start();
      try {
        console.log(await survey(software, service));
      } finally {
        await service.close();
      }
    });
  }

  it("let as many scenarios work as any other", () => {
    console.log(working);
    const most = Math.max(...working.values());
    expect(most).toBeGreaterThan(0);
    expect(working.get("")).toBe(most);
  });
});
