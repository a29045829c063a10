import { createService } from "mcp-tunnel-client";
import type { ServiceOptions } from "mcp-tunnel-client";
import { portOf } from "mcp-tunnel-shared";
import { failed, ok } from "mcp-tunnel-shared/command";
import type { Finding } from "mcp-tunnel-shared/command";
import { originOf } from "../options/flags.js";
import { askService } from "./ask-service.js";
import type { Case } from "./case.js";
import { initializeQuestion } from "./mcp.js";
import type { Answer, Question } from "./question.js";

/** With these a service, or its framework, refuses names that it does not know. */
const refusals: ReadonlySet<number> = new Set([400, 403, 421]);

/** Other options of the command, and the same for the library. */
export interface Remedy {
  readonly flags: string;
  readonly options: ServiceOptions;
}

/** Whether the service takes the Host that it gets by the options. `local`: the service with its options. */
export async function hostFinding(it: Case, local: ServiceOptions, signal: AbortSignal): Promise<Finding> {
  const remedies: Remedy[] = [
    { flags: "--host-header rewrite", options: { hostHeader: "rewrite" } },
    { flags: "--host-header localhost", options: { hostHeader: "localhost" } },
    {
      flags: `--host-header 127.0.0.1:${portOf(new URL(originOf(local)))}`,
      options: { hostHeader: `127.0.0.1:${portOf(new URL(originOf(local)))}` },
    },
    { flags: "--host-header preserve", options: { hostHeader: "preserve" } },
  ];
  return ruleFinding(it, local, remedies, "Host", {}, signal);
}

/** Whether the service takes the Origin of a page of the tunnel's own, by the options. */
export async function originFinding(it: Case, local: ServiceOptions, signal: AbortSignal): Promise<Finding> {
  const remedies: Remedy[] = [
    { flags: "--origin rewrite", options: { origin: "rewrite", dropOrigin: false } },
    {
      flags: "--origin keep --forwarded-headers all",
      options: { origin: "keep", dropOrigin: false, forwardedHeaders: "all" },
    },
    { flags: "--origin drop", options: { origin: "drop" } },
  ];
  const headers = { origin: it.assumedUrl.origin };
  return ruleFinding(it, local, remedies, "Origin", headers, signal);
}

/** The first of `remedies` with which `isGood` holds. */
export async function findRemedy(
  it: Case,
  local: ServiceOptions,
  remedies: readonly Remedy[],
  question: Question,
  isGood: (answer: Answer) => boolean,
  signal: AbortSignal,
): Promise<Remedy | undefined> {
  for (const remedy of remedies) {
    const answer = await askWith(it, { ...local, ...remedy.options }, question, signal);
    if (isGood(answer)) return remedy;
  }
  return undefined;
}

/** Asks the service twice: as visitors' requests would reach it, and, if it refuses that, in other ways. */
async function ruleFinding(
  it: Case,
  local: ServiceOptions,
  remedies: readonly Remedy[],
  field: "Host" | "Origin",
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Finding> {
  const initialize = initializeQuestion(it.settings.mcpPath);
  const questions: Question[] = [
    { method: "GET", path: "/", headers, enough: () => true },
    { ...initialize, headers: { ...initialize.headers, ...headers }, enough: () => true },
  ];
  const others: string[] = [];
  for (const question of questions) {
    const { status } = await askWith(it, local, question, signal);
    if (!refusals.has(status)) continue;
    const isGood = (answer: Answer): boolean => !refusals.has(answer.status);
    const remedy = await findRemedy(it, local, remedies, question, isGood, signal);
    const said = `${question.method} ${question.path} answers ${status}`;
    if (remedy === undefined) others.push(said);
    else {
      const why = `the service refuses the ${field} that it gets by the options: ${said}`;
      return failed(why, `Use ${remedy.flags}: with it the service does not refuse that.`);
    }
  }
  return ok(
    others.length === 0
      ? `the service takes the ${field} that it gets`
      : `${others.join(", ")}, whatever the ${field}: the service has other reasons`,
  );
}

async function askWith(
  it: Case,
  options: ServiceOptions,
  question: Question,
  signal: AbortSignal,
): Promise<Answer> {
  const service = createService(options);
  try {
    const ask = askService(service, it.assumedUrl);
    const answer = await ask(question, signal);
    const session = answer.headers["mcp-session-id"];
    // The question may have begun a session, which nobody uses.
    if (session !== undefined) {
      const headers = { "mcp-session-id": session };
      await ask({ method: "DELETE", path: question.path, headers }, signal).catch(() => {});
    }
    return answer;
  } finally {
    await service.close();
  }
}
