import {
  cannotTellReason,
  type CheckedMessage,
  closeCodes,
  type RegisterMessage,
  supportedProtocols,
} from "mcp-tunnel-protocol";
import { tokenKey } from "../admission/admission.js";
import { resolveName, type TokenGrant } from "../auth/authenticator.js";
import { admitName } from "../tunnels/name.js";
import type { Tunnels } from "../tunnels/tunnels.js";
import { version } from "../version.js";
import { notAllowed } from "./allowance.js";
import type { RegistrationOptions } from "./options.js";
import { Refusal } from "./refusal.js";

type Checked = CheckedMessage["checked"];

/** What the answer to a check is made of. */
interface CheckContext {
  options: RegistrationOptions;
  tunnels: Tunnels;
  /** Gives the public URL of a name. */
  publicUrl: (name: string) => string;
}

/**
 * Says what a registration with a good token would get, and changes nothing (PROTOCOL.md, "Claims"). It does
 * not say whose tunnel has the name: every token is good on an open relay, so that would tell which tokens
 * others have.
 * @throws Refusal when the directory does not say in time whether the name is in use.
 */
export async function check(
  { token, subdomain, clientPackage }: RegisterMessage,
  { allowed, grant }: { allowed: readonly string[]; grant?: TokenGrant },
  { options, tunnels, publicUrl }: CheckContext,
): Promise<Checked> {
  const relay: Checked = {
    requiresVisitorAuth: options.requireVisitorAuth,
    protocols: [...supportedProtocols],
    relay: { version },
    resumeTimeoutMs: options.resumeTimeoutMs,
    maxResponseBody: options.maxResponseBodyBytes,
    clientPackage: clientPackage === true ? options.handedOut : undefined,
  };
  const wanted = resolveName(allowed, subdomain || undefined);
  if (wanted === undefined) return { subdomains: [...allowed], ...relay };
  const admitted = admitName(wanted, allowed, options.reservedNames);
  if ("refused" in admitted) {
    return { refused: { code: closeCodes.authenticationFailed, reason: admitted.refused }, ...relay };
  }
  const { name } = admitted;
  const wants = { name, owner: tokenKey(token), grant, instance: undefined, pool: undefined };
  const { refusal } = notAllowed(wants, tunnels, options) ?? {};
  const refused = refusal === undefined ? {} : { refused: { code: refusal.code, reason: refusal.message } };
  const inUse = await tunnels.isTaken(name);
  if (inUse === undefined) throw new Refusal(closeCodes.tryAgainLater, cannotTellReason);
  return { subdomain: name, url: publicUrl(name), inUse, ...refused, ...relay };
}
