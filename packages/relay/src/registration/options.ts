import type { Member } from "mcp-tunnel-cluster/relay";
import type { ClientPackage, LivenessOptions } from "mcp-tunnel-protocol";
import type { Authenticator } from "../auth/authenticator.js";
import type { ProxyTrust } from "../forwarded/forwarded.js";
import type { Limits } from "../limits.js";
import type { Logger } from "../telemetry/log.js";

/** The relay's options about clients and their registrations (options.ts at the root). */
export interface RegistrationOptions extends Limits, ProxyTrust {
  readonly authenticator: Authenticator;
  readonly reservedNames: ReadonlySet<string>;
  readonly requireVisitorAuth: boolean;
  /** What clients are told of the package that the relay hands out. Default: nothing. */
  readonly handedOut?: ClientPackage | undefined;
  /** The relay's place in a cluster, if it has one. */
  readonly member?: Pick<Member, "node" | "returning"> | undefined;
  readonly liveness: LivenessOptions;
  readonly logger: Logger;
}
