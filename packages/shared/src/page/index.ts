/**
 * The server's side of a page that only its owner may use: the inspector's, and the relay's dashboard. It
 * imports only Node's own modules, and those of this package.
 *
 * - `rules.ts`: who may ask at all
 * - `secret.ts`: the secret that opens the API
 * - `answer.ts`: the fields of every answer, and answers of each kind
 * - `problem.ts`: why there is no answer
 * - `routes.ts`: which answer a path has
 * - `body.ts`: JSON in a request
 * - `page-files.ts`: the files of the page
 * - `authority.ts`: addresses as Host fields have them
 */
export { contentSecurityPolicy, guard, send, sendNothing, sendProblem } from "./answer.js";
export { authorityOf } from "./authority.js";
export { readJson } from "./body.js";
export { PageFiles } from "./page-files.js";
export type { PageFile } from "./page-files.js";
export { ApiProblem, problemOf } from "./problem.js";
export { answerOf, routesWith } from "./routes.js";
export type { Answer, ApiVisit, Route } from "./routes.js";
export { brokenRule } from "./rules.js";
export type { PagePlace } from "./rules.js";
export { PageSecret } from "./secret.js";
