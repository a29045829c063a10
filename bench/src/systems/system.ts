import type { Child } from "../child.js";
import type { Endpoint } from "../endpoint.js";
import type { Upstreams } from "../upstreams/upstreams.js";

/** A way from a load to an upstream: a proxy, a tunnel, or nothing. */
export interface System {
  readonly name: string;
  /** Programs that have to be on the PATH. A system that lacks one is left out. */
  readonly programs: readonly string[];
  /** The only kind of upstream that it has a way to. Default: it has one to all. */
  readonly upstream?: keyof Upstreams;
  /** Starts the system in front of the service at `upstreamPort` of loopback. */
  start(upstreamPort: number, folder: string): Promise<Endpoint>;
}

/** The endpoint of a system that does not look at Host. */
export function plainEndpoint(port: number, processes: readonly Child[]): Endpoint {
  return { port, host: `127.0.0.1:${port}`, processes };
}
