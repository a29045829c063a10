/** What decides who shares a name with whom. */
export interface NameClient {
  /** Stands for the client process, or is its secret; `undefined` for an original. */
  readonly instance: string | undefined;
  /** Stands for the token. */
  readonly owner: string;
  /** The digest of the gate, empty without one, if the client asks for a pool. */
  readonly pool: string | undefined;
}

/**
 * `own`: the two are one client, whose newer tunnel takes the place of the older one. `fellow`: both are
 * members of one pool. `other_gate`: they would be, if their gates did not differ, so the newer one is
 * refused. `stranger`: the older one has to go for the newer one to have the name.
 */
export type Meeting = "own" | "fellow" | "other_gate" | "stranger";

/** What a client that has a name is to a newer one that registers the same name (PROTOCOL.md, "Pools"). */
export function meet(older: NameClient, newer: NameClient): Meeting {
  const isOwner = older.owner === newer.owner;
  if (isOwner && newer.instance !== undefined && older.instance === newer.instance) return "own";
  if (!isOwner || older.pool === undefined || newer.pool === undefined) return "stranger";
  return older.pool === newer.pool ? "fellow" : "other_gate";
}
