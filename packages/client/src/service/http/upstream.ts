import { OpenList } from "mcp-tunnel-shared";
import type { Linked } from "mcp-tunnel-shared";
import { headerPolicy } from "./headers.js";
import type { HeaderPolicy } from "./headers.js";
import type { LocalPool } from "./local-pool.js";
import type { ForwardingOptions } from "./policies.js";

/** A request on a connection of its own. */
export interface OwnConnection extends Linked<OwnConnection> {
  cut(): void;
}

/** A request on a connection of the pool. */
export interface PooledRequest extends Linked<PooledRequest> {
  /** Resolves once the connection is closed. */
  cut(): Promise<void>;
}

/** The local service, as one tunnel client sees it. */
export interface Upstream extends HeaderPolicy {
  readonly pool: LocalPool;
  /**
   * Requests that undici has, or will have. Some of them may have been given up while undici is still making
   * a connection for them, which nothing can stop.
   */
  readonly pooled: OpenList<PooledRequest>;
  readonly own: OpenList<OwnConnection>;
  /** Nothing is sent any more. The pool may go on: other tunnels use it too. */
  isClosed: boolean;
}

export function createUpstream(options: ForwardingOptions, pool: LocalPool): Upstream {
  const open = { pooled: new OpenList<PooledRequest>(), own: new OpenList<OwnConnection>() };
  return { ...headerPolicy(options), pool: pool.hold(), ...open, isClosed: false };
}
