import type { IncomingMessage } from "node:http";
import { ApiProblem, brokenRule, type PagePlace, type PageSecret } from "mcp-tunnel-shared/page";
import { isApi } from "./answer.js";

/** What keeps strangers from the inspector at `authority`, as a Host field has it: `127.0.0.1:4040`. */
export class InspectorRules {
  readonly #secret: PageSecret;
  readonly #place: PagePlace;

  constructor(authority: string, secret: PageSecret) {
    const origin = `http://${authority}`;
    this.#secret = secret;
    this.#place = {
      originsOf: ({ headers }) => (headers.host === authority ? [origin] : []),
      isBehindProxy: () => false,
      words: {
        wrongHost: `this is the inspector at ${origin}/ and answers to no other name`,
        forwarded: "the inspector is for this machine: it answers no proxy and no tunnel",
        ledHere:
          "another page has led here. Type or paste the URL that the client has printed; it begins with " +
          `${origin}/`,
        upgrade: "there is no other protocol here: read /api/stream",
      },
    };
  }

  /** The first rule that a request breaks. */
  broken(req: IncomingMessage): ApiProblem | undefined {
    return brokenRule(req, this.#place) ?? this.#missingSecret(req);
  }

  /** The page itself has no secret in it and is open to all programs of this machine. Nothing else is. */
  #missingSecret({ url, headers }: IncomingMessage): ApiProblem | undefined {
    if (!isApi(url ?? "") || this.#secret.isIn(headers.authorization)) return undefined;
    // A browser would ask the user for a password if the answer had WWW-Authenticate.
    return new ApiProblem(
      401,
      "no_secret",
      "needs 'Authorization: Bearer SECRET': the URL has it behind its #",
    );
  }
}
