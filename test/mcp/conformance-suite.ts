import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { RunningCommand } from "../support/commands.js";

/** The command `conformance`, which the package has instead of an entry point. */
const suite = join(
  dirname(createRequire(import.meta.url).resolve("@modelcontextprotocol/conformance/package.json")),
  "dist/index.js",
);

const preload = new URL("../support/resolve-localhost.mjs", import.meta.url).href;

/**
 * This scenario demands that a server on this machine refuses other host names. It fails any server whose URL
 * is not of this machine, so its result through a tunnel says nothing.
 */
export const localOnly = "dns-rebinding-protection";

/** The checks of a scenario and the result of each, in order. */
export type Outcome = string[];

/** Runs all scenarios against the server at a URL. */
export async function runConformance(url: string): Promise<Map<string, Outcome>> {
  const results = await mkdtemp(join(tmpdir(), "conformance-"));
  const options = ["--url", url, "--suite", "all", "--output-dir", results];
  const command = new RunningCommand(process.execPath, ["--import", preload, suite, "server", ...options]);
  try {
    // The command's status only tells whether all scenarios succeeded. The caller looks at each of them.
    await command.exited;
    const outcomes = new Map<string, Outcome>();
    for (const name of (await readdir(results)).toSorted()) {
      // server-<scenario>-<time>
      const scenario = /^server-(.*?)-\d{4}-/.exec(name)?.[1] ?? name;
      const checks = JSON.parse(await readFile(join(results, name, "checks.json"), "utf8")) as Check[];
      outcomes.set(
        scenario,
        checks.map(({ id, status, errorMessage = "" }) => `${id}: ${status} ${errorMessage}`.trim()),
      );
    }
    return outcomes;
  } finally {
    await command.close();
    await rm(results, { recursive: true });
  }
}

interface Check {
  id: string;
  status: string;
  errorMessage?: string;
}
