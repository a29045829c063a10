import type { Logger } from "mcp-tunnel-protocol";
import type { NodeInfo } from "../engine/engine.js";

/**
 * Finds relays that serve another domain. Names are kept without the domain, so such relays take names from
 * one another. Two clusters that share a server by mistake are like that.
 */
export class Domains {
  /** The ids of those that the log has named. */
  #named: ReadonlySet<string> = new Set();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** `own`: the domain of this relay. `nodes`: all that are alive now. */
  look(own: string, nodes: readonly NodeInfo[]): void {
    const strangers = nodes.filter(({ domain }) => domain !== undefined && domain !== own);
    for (const { id, address, domain } of strangers) {
      if (this.#named.has(id)) continue;
      this.#logger.warn(
        { peer: id, address, domain, own },
        "a relay of another domain shares the names of this cluster: give it another --cluster-prefix",
      );
    }
    this.#named = new Set(strangers.map(({ id }) => id));
  }
}
