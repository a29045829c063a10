import type { Directory } from "mcp-tunnel-cluster/relay";
import type { ProxyTrust } from "../../forwarded/forwarded.js";
import type { Limits } from "../../limits.js";
import type { Logger } from "../../telemetry/log.js";
import type { ClientDownload } from "../answer/client-download.js";
import type { Operator } from "../answer/operator.js";
import type { InterimToProxies } from "../wire/interim.js";
import type { CookieDomain } from "./set-cookie.js";
import type { Holds } from "../../tunnels/holds.js";
import type { AddressKeys, Occupancy } from "../../admission/addresses.js";
import type { LimitReporter } from "../../telemetry/limit-reporter.js";
import type { Observers } from "../../telemetry/observers.js";
import type { ActiveExchanges } from "./active-exchanges.js";
import type { WaitingHeads } from "./waiting-heads.js";

/** The relay's options about visitors and their exchanges (options.ts). */
export interface ExchangeOptions extends Limits, ProxyTrust {
  readonly domain: string;
  readonly interimToProxies: InterimToProxies;
  readonly cookieDomain: CookieDomain;
  readonly requireVisitorAuth: boolean;
  readonly operator: Operator;
  readonly logger: Logger;
}

/** What all exchanges of a relay share. */
export interface ExchangeContext {
  readonly options: ExchangeOptions;
  readonly directory: Directory;
  readonly observers: Observers;
  /** The public URL of the tunnel `name`. Known once the relay listens. */
  readonly publicUrl: (name: string) => string;
  /** The package of the client, if the relay hands it out. */
  readonly download: ClientDownload | undefined;
  /** The exchanges that are going on. */
  readonly exchanges: ActiveExchanges;
  /** The heads of responses that wait for the data that may have come with them. */
  readonly heads: WaitingHeads;
  readonly limits: LimitReporter;
  /** Open requests of each address. */
  readonly requests: Occupancy;
  readonly addressKeys: AddressKeys;
  /** Requests that wait for a client. */
  readonly holds: Holds;
  /** The relay is shutting down: connections are closed after their answer. */
  draining: boolean;
}
