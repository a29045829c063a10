import type { ClaimantInfo, ClientIdentity } from "../directory.js";
import type { Entry } from "./engine.js";

/** The client, without what else is known of its tunnel. */
export function identityOf({ instance, owner, address }: ClientIdentity): ClientIdentity {
  return { instance, owner, address };
}

/** Originals have no instance, and no two of them are known to be the same client. */
export function isSameClient(one: ClientIdentity, other: ClientIdentity): boolean {
  return one.instance !== undefined && one.instance === other.instance && one.owner === other.owner;
}

/** Whether of two tunnels the older one loses the name. Members of one pool share it. */
export function makesWay(older: ClaimantInfo, newer: ClaimantInfo): boolean {
  const isPool = newer.pool !== undefined && older.pool === newer.pool && older.owner === newer.owner;
  return !isPool || isSameClient(older, newer);
}

/** Stands for one claim of one name. */
export function keyOf({ name, gen }: Pick<Entry, "name" | "gen">): string {
  return `${gen} ${name}`;
}
