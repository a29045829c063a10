import type { Dispatcher } from "undici";
import { tcpConnections } from "./connections.js";
import type { Connections } from "./connections.js";
import { IdleConnections } from "./idle-connections.js";
import { LocalClient } from "./local-client.js";
import type { LocalHandler, LocalService } from "./local-client.js";
import type { ForwardingOptions } from "./policies.js";

/**
 * The connections to a local service. There are as many of them as requests: event streams hold theirs for
 * hours, and a request that waited for a free connection would wait for ever. A client's `maxStreams` limits
 * them. What is left here between requests is only the idle ones, and the newest of them gets the next
 * request. (undici's own pool looks for a free connection among all of them. With 900 open event streams that
 * was an eighth of the client's CPU time.)
 */
export class LocalPool implements LocalService {
  readonly url: URL;
  readonly connections: Connections;
  readonly maxHeadBytes: number;
  readonly idle = new IdleConnections<LocalClient>();
  readonly #onUnused: (() => void) | undefined;
  #users = 0;

  /** `onUnused` is called when the last user has released the pool. */
  constructor(options: ForwardingOptions, connections: Connections, onUnused?: () => void) {
    this.url = fixedUrl(options.target.origin);
    this.connections = connections;
    this.maxHeadBytes = options.maxResponseHeadBytes;
    this.#onUnused = onUnused;
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: LocalHandler): void {
    const client = this.idle.newest ?? new LocalClient(this);
    client.dispatch(options, handler);
  }

  /** Another service uses the pool. It will call {@link release} once. */
  hold(): this {
    this.#users += 1;
    return this;
  }

  /** A service has cut its requests and sends no more. The last one closes the idle connections. */
  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#onUnused?.();
    await this.idle.close();
  }
}

const shared = new Map<string, LocalPool>();

/**
 * The pool for a service behind a port. All tunnels of this process to one service share it. So each has a
 * view of the idle connections of the others, as a service needs that takes one connection at a time; and of
 * hundreds of tunnels each finds a connection that is open. With TLS a pool is shared with nobody: what the
 * service is shown and believed may differ.
 */
export function tcpPool(options: ForwardingOptions): LocalPool {
  const { target, connectTimeoutMs, maxResponseHeadBytes } = options;
  if (target.secure) return new LocalPool(options, tcpConnections(options));
  const key = `${target.origin} ${connectTimeoutMs} ${maxResponseHeadBytes}`;
  const known = shared.get(key);
  if (known !== undefined) return known;
  const pool = new LocalPool(options, tcpConnections(options), () => shared.delete(key));
  shared.set(key, pool);
  return pool;
}

/** undici asks for these parts with every request, and Node would make their texts anew each time. */
function fixedUrl(origin: string): URL {
  const url = new URL(origin);
  const { protocol } = url;
  return Object.defineProperties(url, { origin: { value: origin }, protocol: { value: protocol } });
}
