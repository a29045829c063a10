import type { AcceptedStream, RequestHead, ServedTunnel, Service, StreamHandler } from "mcp-tunnel-client";

/** A service that is asked for a path of its own, whatever the public one is. */
export interface Destination {
  readonly service: Service;
  readonly path: string;
}

/** Sends the requests for some paths to services of their own, and all others to one service. */
export class PathService implements Service {
  readonly #find: (pathname: string) => Destination | undefined;
  readonly #others: Service;
  readonly #all: readonly Service[];

  /** `destinations`: by key. `keyOf`: the key that a path stands for, a path as URLs have it. */
  constructor(
    destinations: ReadonlyMap<string, Destination>,
    keyOf: (pathname: string) => string | undefined,
    others: Service,
  ) {
    this.#find = (pathname) => destinations.get(keyOf(pathname) ?? "");
    this.#others = others;
    this.#all = [others, ...[...destinations.values()].map(({ service }) => service)];
  }

  accept(stream: AcceptedStream, head: RequestHead, end: boolean, tunnel: ServedTunnel): StreamHandler {
    const destination = this.#find(pathnameOf(head.path));
    if (destination === undefined) return this.#others.accept(stream, head, end, tunnel);
    const queryAt = head.path.indexOf("?");
    const query = queryAt === -1 ? "" : head.path.slice(queryAt);
    return destination.service.accept(stream, { ...head, path: destination.path + query }, end, tunnel);
  }

  get open(): number {
    return this.#all.reduce((sum, { open }) => sum + open, 0);
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((service) => service.close()));
  }
}

/** The path as a handler in the web's form has it, in which `/a/../b` is `/b`. The target may also be `*`. */
function pathnameOf(target: string): string {
  const url = `http://localhost${target}`;
  return target.startsWith("/") && URL.canParse(url) ? new URL(url).pathname : "";
}
