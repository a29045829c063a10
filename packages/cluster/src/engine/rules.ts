import { meet } from "mcp-tunnel-protocol";
import type { ClaimantInfo } from "../directory.js";
import type { Entry } from "./engine.js";

export function isSameClient(one: ClaimantInfo, other: ClaimantInfo): boolean {
  return meet(one, other) === "own";
}

/**
 * Whether of two tunnels the older one loses the name. Two pools of one owner meet only if the engine has
 * lost one of them meanwhile.
 */
export function makesWay(older: ClaimantInfo, newer: ClaimantInfo): boolean {
  return meet(older, newer) !== "fellow";
}

/** Stands for one claim of one name. The sets in Redis name entries like this. */
export function keyOf({ name, gen }: Pick<Entry, "name" | "gen">): string {
  return `${gen} ${name}`;
}
