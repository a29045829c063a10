import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiProblem } from "./problem.js";

/** One request to the API that no rule has refused. */
export interface ApiVisit {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly query: URLSearchParams;
  /** What stands for the placeholders of the route, in order. */
  readonly args: readonly string[];
}

export type Answer = (visit: ApiVisit) => void | Promise<void>;

/** How each method of a path is answered. GET answers HEAD as well. */
export interface Route {
  readonly path: RegExp;
  readonly methods: Readonly<Partial<Record<"GET" | "POST" | "PATCH" | "DELETE", Answer>>>;
}

/**
 * A maker of routes, whose paths have placeholders in the places of what differs. `placeholders`: what each
 * of them stands for, as a regular expression without groups.
 */
export function routesWith(
  placeholders: Readonly<Record<string, string>>,
): (path: string, methods: Route["methods"]) => Route {
  return (path, methods) => {
    const pattern = Object.entries(placeholders).reduce(
      (text, [placeholder, form]) => text.replace(placeholder, `(${form})`),
      path,
    );
    return { path: new RegExp(`^${pattern}$`), methods };
  };
}

/**
 * What answers the request. `elsewhere`: told to whoever asks for a path that there is not.
 * @throws ApiProblem `not_found`, `method_not_allowed`
 */
export function answerOf(
  routes: readonly Route[],
  req: IncomingMessage,
  elsewhere: string,
): (res: ServerResponse) => void | Promise<void> {
  const [path = "", ...search] = (req.url ?? "").split("?");
  for (const { path: pattern, methods } of routes) {
    const [match, ...args] = pattern.exec(path) ?? [];
    if (match === undefined) continue;
    const method = req.method === "HEAD" ? "GET" : req.method;
    const answer = Object.entries(methods).find(([name]) => name === method)?.[1];
    if (answer === undefined) throw notAllowed(methods);
    const query = new URLSearchParams(search.join("?"));
    return (res) => answer({ req, res, query, args });
  }
  throw new ApiProblem(404, "not_found", elsewhere);
}

function notAllowed(methods: Route["methods"]): ApiProblem {
  const names = Object.keys(methods).flatMap((name) => (name === "GET" ? ["GET", "HEAD"] : [name]));
  const allow = names.join(", ");
  return new ApiProblem(405, "method_not_allowed", `only ${allow} are known here`, { Allow: allow });
}
