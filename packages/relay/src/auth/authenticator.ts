import { firstProblem, flag, objectOf, text } from "mcp-tunnel-protocol";
import type { StaleSource } from "../files/staleness.js";
import { grants, patternList } from "./patterns.js";

/** The credentials of a client that registers. */
export interface Credentials {
  /** The client's token, as it wrote it. */
  token: string;
  /** The name that the client asks for, as it wrote it; `undefined` when it asks for none. */
  subdomain: string | undefined;
}

/** A token whose rights may change while its tunnels are up. */
export interface TokenGrant {
  /** Names the token in logs and in the status without giving it away. */
  readonly id: string;
  /** What the operator has written about the token, such as its owner, for the status. */
  readonly note?: string | undefined;
  /** How many tunnels the token may have at once; `undefined` when it has no limit of its own. */
  readonly maxTunnels: number | undefined;
  /**
   * Requests a second to all its tunnels at one relay, and so many at once: a whole number from 1, or
   * Infinity for no limit. `undefined`, or no such field: the relay's `maxTokenRequestsPerSecond` holds. The
   * relay looks at each request.
   */
  readonly maxRequestsPerSecond?: number | undefined;
  /**
   * Bytes of bodies a second, both ways, of all its tunnels at one relay, and so many at once: a whole number
   * from 1, or Infinity for no limit. `undefined`, or no such field: the relay's `maxTokenBytesPerSecond`
   * holds. A change of the number holds at once,
   * and a limit where none was before holds for requests that come later.
   */
  readonly maxBytesPerSecond?: number | undefined;
  /** Why the token may not have the name now (the reason of close code 4001); `undefined` when it may. */
  refusal(name: string): string | undefined;
  /**
   * Calls `changed` whenever `refusal` may answer differently than before. Returns a function that ends this.
   */
  watch(changed: () => void): () => void;
}

/**
 * `allowed`: the patterns of the names that the token may have. `refused`: why the client is turned away (the
 * reason of close code 4001). A `grant` is there if the token can be taken back. Every tunnel that is
 * registered with the token has to watch the grant. `undecided`: nobody could tell whether the token is good.
 * Then the client gets nothing, but a client that had a tunnel may ask again.
 */
export type AuthenticationResult =
  | { allowed: readonly string[]; grant?: TokenGrant }
  | { refused: string; undecided?: boolean };

/**
 * Hears that a token was taken back, by its {@link TokenGrant.id}. With `allowed` it has only lost names, and
 * these are the patterns that it still has.
 */
export type RevokedListener = (token: string, allowed?: readonly string[]) => void;

/** Decides which client may register which names. */
export interface Authenticator {
  /** How it decides, in a word for the log. */
  readonly mode: string;
  /** Never rejects. A failure is a refusal, so that nobody gets in because something is broken. */
  authenticate(credentials: Credentials): Promise<AuthenticationResult>;
  /**
   * Calls `revoked` for each token that was taken back or has lost a name, for the other relays of a cluster.
   * A token that expires in its time ends at each of them by itself. The tunnels of this relay watch their
   * grants. Returns a function that ends this.
   */
  watchRevoked?(revoked: RevokedListener): () => void;
  /** Reads its source again, now. Never rejects. */
  reload?(): Promise<void>;
  /** Sources that it could not read again. It goes on with what it read before. */
  readonly stale?: readonly StaleSource[];
  /** Gives up its connections and watchers. */
  close?(): Promise<void>;
}

const refusalShape = objectOf({
  refused: text("the reason, a string"),
  undecided: flag.optional(),
});
const permissionShape = objectOf({ allowed: patternList }, "an object with 'allowed' or 'refused'");

/**
 * Returns an authenticator's answer if it is well formed, because an authenticator may be a program's own.
 * @throws Error when it is not, so that nobody gets in, or is offered a name, because something is broken.
 */
export function checkAnswer(answer: AuthenticationResult): AuthenticationResult {
  const problem = firstProblem("refused" in Object(answer) ? refusalShape : permissionShape, answer);
  if (problem === undefined) return answer;
  throw new Error(`the authenticator's answer is not usable: ${problem.message}`);
}

/**
 * The name that a registration gets: the requested name if a pattern grants it, else the only pattern if that
 * is a plain name. `undefined` when the client has to pick a name.
 */
export function resolveName(allowed: readonly string[], requested: string | undefined): string | undefined {
  if (requested !== undefined && grants(allowed, requested)) return requested;
  const [only] = allowed;
  if (allowed.length === 1 && only !== undefined && !only.includes("*")) return only;
  return undefined;
}
