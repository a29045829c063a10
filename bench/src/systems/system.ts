import type { Child } from "../child.js";
import type { Endpoint } from "../endpoint.js";

/** A way from a load to an upstream: a proxy, a tunnel, or nothing. */
export interface System {
  readonly name: string;
  /** What has to be on the PATH; a system that lacks it is left out. */
  readonly programs: readonly string[];
  /** Starts it in front of the service at `upstreamPort` of loopback. */
  start(upstreamPort: number, folder: string): Promise<Endpoint>;
}

/** For systems that care for no Host. */
export function plainEndpoint(port: number, processes: readonly Child[]): Endpoint {
  return { port, host: `127.0.0.1:${port}`, processes };
}
