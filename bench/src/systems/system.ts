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
  readonly start?: Start;
  /** The same, for visitors who come over TLS. */
  readonly startSecure?: Start;
  /** The same, with the tunnels of `tunnelNames(count)`. */
  readonly startMany?: (upstreamPort: number, folder: string, count: number) => Promise<Endpoint>;
}

export type Start = (upstreamPort: number, folder: string) => Promise<Endpoint>;

/** How a workload needs its systems: with one tunnel, with TLS in front of one, or with so many tunnels. */
export type Setup = "one" | "secure" | number;

/** Whether the system can be set up so. */
export function hasSetup(system: System, setup: Setup): boolean {
  return starterOf(system, setup) !== undefined;
}

/** Starts the system in front of the service at `upstreamPort`. @throws Error if it cannot be set up so. */
export function startSystem(
  system: System,
  setup: Setup,
  upstreamPort: number,
  folder: string,
): Promise<Endpoint> {
  const start = starterOf(system, setup);
  if (start === undefined) throw new Error(`${system.name} cannot be set up so: ${setup}`);
  return start(upstreamPort, folder);
}

function starterOf({ start, startSecure, startMany }: System, setup: Setup): Start | undefined {
  if (setup === "one") return start;
  if (setup === "secure") return startSecure;
  return startMany === undefined ? undefined : (port, folder) => startMany(port, folder, setup);
}

/** `t1`, `t2`, and so on. */
export function tunnelNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `t${i + 1}`);
}

/** The Host fields of these tunnels below the domain `localhost`. */
export function tunnelHosts(count: number): string[] {
  return tunnelNames(count).map((name) => `${name}.localhost`);
}

/** The endpoint of a system that does not look at Host. */
export function plainEndpoint(port: number, processes: readonly Child[]): Endpoint {
  return { port, host: `127.0.0.1:${port}`, processes };
}
