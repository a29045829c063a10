/** What a terminal tells of requests. */
export { readMessages, subjectOf, toolErrorOf } from "./rpc.js";
