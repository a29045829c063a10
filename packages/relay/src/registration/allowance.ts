import { closeCodes, tooManyTunnels } from "mcp-tunnel-protocol";
import type { LimitName } from "../limits.js";
import type { TunnelInfo } from "../tunnels/tunnel.js";
import type { Tunnels } from "../tunnels/tunnels.js";
import type { RegistrationOptions } from "./options.js";
import { Refusal } from "./refusal.js";

/** Why a client gets no further tunnel, and the limit that says so. */
interface NotAllowed {
  refusal: Refusal;
  limit?: LimitName;
}

/**
 * Whether the token may have the name, which may have changed while a person picked it, and whether there is
 * room for another tunnel: of this token, and of all. `undefined` when the client may have the tunnel.
 */
export function notAllowed(
  wants: Pick<TunnelInfo, "name" | "owner" | "grant" | "instance" | "pool">,
  tunnels: Tunnels,
  { maxTunnels, maxTunnelsPerToken }: RegistrationOptions,
): NotAllowed | undefined {
  const { name, owner, grant } = wants;
  const refused = grant?.refusal(name);
  if (refused !== undefined) return { refusal: new Refusal(closeCodes.authenticationFailed, refused) };
  const maxOwn = grant?.maxTunnels ?? maxTunnelsPerToken;
  if (tunnels.areFewerThan({ own: maxOwn, all: maxTunnels }, owner)) return undefined;
  let all = 0;
  let own = 0;
  let leaving = 0;
  for (const tunnel of tunnels.countedBeside(name, wants)) {
    all += 1;
    if (tunnel.info.owner !== owner) continue;
    own += 1;
    if (tunnel.isLeft) leaving += 1;
  }
  if (own >= maxOwn) {
    const refusal =
      own - leaving < maxOwn
        ? new Refusal(
            closeCodes.tryAgainLater,
            `this token may have ${maxOwn} tunnels at once, those that are still ending among them`,
          )
        : new Refusal(closeCodes.authenticationFailed, tooManyTunnels(maxOwn));
    return { refusal, limit: "tunnels_per_token" };
  }
  if (all >= maxTunnels) {
    const reason = `this relay carries ${maxTunnels} tunnels, its limit`;
    return { refusal: new Refusal(closeCodes.tryAgainLater, reason), limit: "tunnels" };
  }
  return undefined;
}
