/** The entry /lines: what a terminal, or a log, tells of requests. */
export { observeLines } from "./lines/line-reader.js";
export type { Line, LineEvents, LineKind, OpenLine, RequestLine } from "./lines/line.js";
export type { LineError, LineMcp } from "./lines/rpc-line.js";
