import type { Identity, Visit } from "../visit.js";
import { digest } from "./records.js";
import type { Records } from "./records.js";
import { covers } from "./resources.js";

/** What oidc-provider draws for a token: 256 bits. */
const tokenShape = /^[\w-]{43}$/;

/** Whose access token this is. Undefined: not one of this origin that is good for this target. */
export function identify(
  records: Records,
  origin: string | undefined,
  token: string,
  visit: Visit,
): Identity | undefined {
  if (origin === undefined || visit.origin !== origin || !tokenShape.test(token)) return undefined;
  const payload = records.find("AccessToken", digest(token))?.payload;
  if (payload === undefined) return undefined;
  const { grantId = "", aud, accountId: user, clientId: client, scope } = payload;
  if (typeof aud !== "string" || !covers(aud, origin, visit.target)) return undefined;
  if (user === undefined || client === undefined || !records.grants.has(grantId)) return undefined;
  records.touchGrant(grantId);
  return { user, client, ...(scope !== undefined && { scope }) };
}
