import type { McpView } from "../mcp/view.js";
import type { Hider } from "../secrets/hide.js";

/** What the room mcp knows of entries. */
export type McpOf = Pick<McpView, "summary" | "callsOf" | "call">;

/** What a view of an entry needs besides the entry. */
export interface ViewContext {
  readonly hider: Hider;
  readonly mcp: McpOf;
}

/** A copy without the members that are undefined: JSON has none, and the types of the API neither. */
export function defined<T extends object>(members: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
}
