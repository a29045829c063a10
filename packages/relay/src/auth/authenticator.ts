import { firstProblem, flag, text } from "mcp-tunnel-protocol";
import { z } from "zod";
import type { StaleSource } from "../files/staleness.js";
import { grants, patternList } from "./patterns.js";

/** What a client shows when it registers. */
export interface Credentials {
  token: string;
  /** The name it asks for, as it wrote it; `undefined` when it asks for none. */
  subdomain: string | undefined;
}

/** A token whose rights may change while its tunnels are up. */
export interface TokenGrant {
  /** Names the token in logs and in the status without giving it away. */
  readonly id: string;
  /** How many tunnels it may have at once; `undefined`: any number. */
  readonly maxTunnels: number | undefined;
  /** Why it may not have the name now (the reason of close code 4001); `undefined` when it may. */
  refusal(name: string): string | undefined;
  /** Calls `changed` whenever `refusal` may answer differently than before. Returns how to stop that. */
  watch(changed: () => void): () => void;
}

/**
 * The patterns of the names that the token may have, or why it is turned away (the reason of close code 4001). A `grant` is
 * there if the token can be taken back; whoever registers a name by it has to watch it. `undecided`: nobody could tell
 * whether the token is good. It gets nothing, but a client that had a tunnel may ask again.
 */
export type AuthenticationResult =
  | { allowed: readonly string[]; grant?: TokenGrant }
  | { refused: string; undecided?: boolean };

/** Decides who may register which names. */
export interface Authenticator {
  readonly mode: string;
  /** Never rejects: what goes wrong is a refusal, so that nobody gets in because something is broken. */
  authenticate(credentials: Credentials): Promise<AuthenticationResult>;
  /** Looks at its source again, now. Never rejects. */
  reload?(): Promise<void>;
  /** What it could not read again, and still goes by as it was before. */
  readonly stale?: readonly StaleSource[];
  /** Gives up what it holds (connections, watchers). */
  close?(): Promise<void>;
}

const refusalShape = z.object({
  refused: text("the reason, a string"),
  undecided: flag.optional(),
});
const permissionShape = z.object({ allowed: patternList }, "an object with 'allowed' or 'refused'");

/**
 * Gives an answer back if it is one: an authenticator may be a program's own.
 * @throws Error when it is none; nobody gets in, or is offered a name, because something is broken.
 */
export function checkAnswer(answer: AuthenticationResult): AuthenticationResult {
  const problem = firstProblem("refused" in Object(answer) ? refusalShape : permissionShape, answer);
  if (problem === undefined) return answer;
  throw new Error(`the authenticator's answer is not usable: ${problem.message}`);
}

/**
 * The name that a registration gets, or `undefined` when the client has to pick one:
 * the requested one if a pattern grants it; else the only pattern, if it is a plain name.
 */
export function resolveName(allowed: readonly string[], requested: string | undefined): string | undefined {
  if (requested !== undefined && grants(allowed, requested)) return requested;
  const [only] = allowed;
  if (allowed.length === 1 && only !== undefined && !only.includes("*")) return only;
  return undefined;
}
