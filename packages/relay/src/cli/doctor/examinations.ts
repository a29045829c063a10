import { randomBytes } from "node:crypto";
import type { LookupFunction } from "node:net";
import type { Command } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { isLocalhost } from "mcp-tunnel-shared";
import { type Examination, failed, type Finding, ok } from "mcp-tunnel-shared/command";
import { normalizeDomain } from "../../tunnels/name.js";
import { expectedFiles, fileFinding } from "../check/files.js";
import { findingOf } from "../check/findings.js";
import { relayProblems, togetherProblems } from "../check/together.js";
import { tokenProblems } from "../check/tokens.js";
import { lineOf, told } from "../options/problems.js";
import { readAll, type Reading } from "../options/read-options.js";
import { certificateExaminations } from "./certificates.js";
import { clusterExaminations } from "./cluster.js";
import { machineExaminations } from "./machine.js";
import { nameExaminations } from "./names.js";
import { outsideExaminations } from "./outside.js";
import { portExaminations } from "./ports.js";
import type { Subject, Surroundings } from "./surroundings.js";

/**
 * What a doctor looks at in the relay that `command` describes, in the order in which one thing rests on the
 * other. Options that cannot be read leave nothing else to look at.
 */
export async function examinationsOf(command: Command, surroundings: Surroundings): Promise<Examination[]> {
  let reading: Reading;
  try {
    reading = await readAll(command);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    return [readingFailed(error.message, "options")];
  }
  const { options } = reading;
  const mistakes = await told(command, reading.file, reading.problems);
  if (mistakes.length > 0)
    return mistakes.map((problem, i) =>
      readingFailed(lineOf(problem), i === 0 ? "options" : `options-${i + 1}`),
    );
  const file =
    options.config === undefined ? "flags and environment" : `${options.config}, flags and environment`;
  const domain = normalizeDomain(options.domain);
  const label = `doctor-${randomBytes(6).toString("hex")}`;
  const subject: Subject = {
    ...{ command, options, domain, label, isRunning: false },
    surroundings: { ...surroundings, lookup: knowingLocalhost(surroundings.lookup) },
  };
  const files = expectedFiles(command).map((expected) => ({
    id: expected.id,
    title: expected.title,
    examine: () => fileFinding(expected, surroundings.userId),
  }));
  return [
    { id: "options", title: "options", examine: () => ok(`${file} can be read`) },
    ...files,
    {
      id: "together",
      title: "options together",
      needs: files.map(({ id }) => id),
      examine: () => together(subject),
    },
    ...certificateExaminations(subject),
    ...nameExaminations(subject),
    ...portExaminations(subject),
    ...clusterExaminations(subject),
    ...outsideExaminations(subject),
    ...machineExaminations(subject),
  ];
}

/** Names below localhost are this machine (RFC 6761 section 6.3), which the system often does not know. */
function knowingLocalhost(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) =>
    lookup(isLocalhost(hostname) ? "localhost" : hostname, options, callback);
}

function readingFailed(reason: string, id: string): Examination {
  const advice =
    "Correct that, and examine it again. `mcp-tunnel config check FILE` looks at a config file alone.";
  return { id, title: "options", examine: () => failed(reason, advice) };
}

/** Options can be right one by one and wrong together. */
async function together({ command }: Subject): Promise<Finding> {
  // That a port needs a permission, the examination of the ports says.
  const all = [...(await togetherProblems(command)), ...(await tokenProblems(command, true))];
  const mistakes = all.filter(({ verdict }) => verdict === "failed");
  const problems = mistakes.length > 0 ? mistakes : await relayProblems(command);
  const advice = "The relay does not start like this. Correct that, and examine it again.";
  return (
    findingOf(problems.map((problem) => ({ ...problem, advice: problem.advice ?? advice }))) ??
    ok("a relay can be made of them")
  );
}
