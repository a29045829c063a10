import type { Case } from "./case.js";
import type { Answer, Question } from "./question.js";
import type { Trial } from "./trial.js";
import { askAt } from "./visit.js";

/** The trial and the URL, for examinations that come only once both are there. */
export function openTrial({ trial, publicUrl }: Case): { readonly trial: Trial; readonly url: URL } {
  if (trial === undefined || publicUrl === undefined) throw new Error("there is no tunnel");
  return { trial, url: publicUrl };
}

/** Asks one of the doctor's own probes from outside. */
export function askProbe(it: Case, question: Question, signal: AbortSignal): Promise<Answer> {
  const { trial, url } = openTrial(it);
  const path = trial.probes.prefix + question.path;
  return askAt(url, it.wayTo(url))({ ...question, path }, signal);
}

/** Who has said what: the relay puts its name to its own answers. */
export function saidBy({ status, headers }: Answer): string {
  const code = headers["x-tunnel-error"];
  if (code !== undefined) return `the relay answers ${status} (${code.slice(0, 60)})`;
  const server = headers["server"];
  return `${status}${server === undefined ? "" : ` from '${server.slice(0, 60)}'`}, and not from the relay itself`;
}
