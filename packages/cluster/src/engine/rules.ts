import { meet } from "mcp-tunnel-protocol";
import type { ClaimantInfo, ClientIdentity } from "../directory.js";
import type { Entry } from "./engine.js";

/** The client, without what else is known of its tunnel. */
export function identityOf({ instance, owner, address }: ClientIdentity): ClientIdentity {
  return { instance, owner, address };
}

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

/** Stands for one claim of one name. */
export function keyOf({ name, gen }: Pick<Entry, "name" | "gen">): string {
  return `${gen} ${name}`;
}
