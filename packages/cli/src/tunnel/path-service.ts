import type {
  AcceptedStream,
  RawHeaders,
  RequestHead,
  ServedTunnel,
  Service,
  StreamHandler,
} from "mcp-tunnel-client";
import { AnySpelling } from "mcp-tunnel-protocol";

/** A service that is asked for a path of its own, whatever the public one is. */
export interface Destination {
  readonly service: Service;
  readonly path: string;
  /** Comes before the visitor's query: `?key=1`, or nothing. */
  readonly query: string;
  /** Fields that the service gets in place of the visitor's, whatever he sends. */
  readonly headers: RawHeaders;
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
    const own = {
      ...head,
      path: targetOf(destination, head.path),
      headers: headersOf(destination, head.headers),
    };
    return destination.service.accept(stream, own, end, tunnel);
  }

  get open(): number {
    return this.#all.reduce((sum, { open }) => sum + open, 0);
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((service) => service.close()));
  }
}

function targetOf({ path, query }: Destination, target: string): string {
  const queryAt = target.indexOf("?");
  if (queryAt === -1) return path + query;
  return path + (query === "" ? target.slice(queryAt) : `${query}&${target.slice(queryAt + 1)}`);
}

function headersOf({ headers: own }: Destination, headers: RawHeaders): RawHeaders {
  if (own.length === 0) return headers;
  const names = own.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase().replaceAll("_", "-"));
  const replaced = new AnySpelling(names, []);
  const kept: RawHeaders = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (!replaced.has(name)) kept.push(name, headers[i + 1] as string);
  }
  return [...kept, ...own];
}

/** The path as a handler in the web's form has it, in which `/a/../b` is `/b`. The target may also be `*`. */
function pathnameOf(target: string): string {
  const url = `http://localhost${target}`;
  return target.startsWith("/") && URL.canParse(url) ? new URL(url).pathname : "";
}
