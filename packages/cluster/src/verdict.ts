import { objectOf, sendableCode, type Shape, text } from "mcp-tunnel-protocol";
import type { Verdict } from "./directory.js";

/**
 * A verdict that another relay has given, or that the engine has kept. Its code closes a client's link, so
 * one that cannot be sent is no verdict.
 */
export const verdictShape: Shape<Verdict> = objectOf<Verdict>({ code: sendableCode, reason: text() });
