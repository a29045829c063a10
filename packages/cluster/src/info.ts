import { flag, objectOf, oneOf, type Shape, text } from "mcp-tunnel-protocol";
import type { ClaimantInfo, ClientIdentity } from "./directory.js";

// What relays know of each other's tunnels and clients, as they say it over their links and write it into the
// engine.

const identityMembers = { instance: text().optional(), owner: text(), address: text() };

export const identityShape: Shape<ClientIdentity> = objectOf<ClientIdentity>(identityMembers);

export const infoShape: Shape<ClaimantInfo> = objectOf<ClaimantInfo>({
  ...identityMembers,
  session: text().optional(),
  wire: oneOf(["v1", "json"]),
  takesRefusals: flag,
  pool: text().optional(),
});

/** The client, without what else is known of its tunnel. JSON leaves out what is `undefined`; this has it. */
export function identityOf({ instance, owner, address }: ClientIdentity): ClientIdentity {
  return { instance, owner, address };
}

/**
 * What other relays know of a tunnel: the relay that has it keeps functions and secrets beside it. The order
 * of the members is always the same.
 */
export function infoOf(info: ClaimantInfo): ClaimantInfo {
  const { session, wire, takesRefusals, pool } = info;
  return { ...identityOf(info), session, wire, takesRefusals, pool };
}
