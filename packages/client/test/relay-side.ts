import { V1ClientSession, V1RelaySession } from "mcp-tunnel-protocol/sessions";
import type {
  OpeningSession,
  RawHeaders,
  RequestHead,
  ResponseHead,
  StreamHandler,
  StreamReset,
  TunnelStream,
} from "mcp-tunnel-protocol";
import { linkedPair } from "mcp-tunnel-protocol/testing";
import { bytesAt } from "../../../test/support/bytes.js";
import { makeService } from "../src/create-service.js";
import { Exchanges } from "../src/service/exchanges.js";
import type { RequestEvent } from "../src/service/observer.js";
import type { ClientWarning, ServedTunnel, Service } from "../src/service/service.js";
import { resolveOptions } from "../src/options.js";
import type { TunnelClientOptions } from "../src/options.js";

/** A service behind the exchanges of a client, with the relay's end of its session in the test's hands. */
export interface Rig {
  readonly relay: V1RelaySession;
  readonly service: Service;
  /** The reports of exchanges, in order. */
  readonly events: RequestEvent[];
  /** The warnings for the user of the client. */
  readonly warnings: ClientWarning[];
  /** Errors that the service threw. */
  readonly faults: unknown[];
  close(): Promise<void>;
}

/** Joins the service that a client makes of these options to a relay session in memory. */
export function startRig(
  options: Partial<TunnelClientOptions>,
  sendWindow?: number,
  tunnel: Partial<ServedTunnel> = {},
): Rig {
  const events: RequestEvent[] = [];
  const warnings: ClientWarning[] = [];
  const resolved = resolveOptions({ relayUrl: "relay.test", ...options });
  const faults: unknown[] = [];
  const service = makeService(resolved);
  const exchanges = new Exchanges(service, resolved, {
    onBegin() {},
    onOver: (exchange) => events.push(exchange.report()),
  });
  const served: ServedTunnel = {
    url: "https://demo.relay.test",
    origin: "https://demo.relay.test",
    isForwardedOwn: true,
    isVisitorOwn: true,
    maxResponseBody: Number.POSITIVE_INFINITY,
    warn: (warning) => warnings.push(warning),
    fault: (error) => faults.push(error),
    ...tunnel,
  };
  const quiet = { liveness: { pingIntervalMs: 0 } };
  const window = sendWindow === undefined ? {} : { receiveWindow: sendWindow };
  const relay = new V1RelaySession({ onClose() {} }, { ...quiet, ...window });
  const client = new V1ClientSession(
    (stream, head, end) => exchanges.accept(stream, head, end, served),
    { onClose() {} },
    { ...quiet, ...(sendWindow === undefined ? {} : { sendWindow }) },
  );
  const [relayLink, clientLink] = linkedPair();
  relay.attach(relayLink, 0);
  client.attach(clientLink, 0);
  return {
    relay,
    service,
    events,
    warnings,
    faults,
    async close() {
      relay.close(1000, "");
      await exchanges.close();
    },
  };
}

/** A stream as the relay sees it, with everything that came back. */
export class Visit implements StreamHandler {
  stream!: TunnelStream;
  readonly interims: ResponseHead[] = [];
  head: ResponseHead | undefined;
  readonly chunks: Buffer[] = [];
  trailers: RawHeaders | undefined;
  reset: StreamReset | undefined;
  /** Called when more may be written. */
  pump: () => void = () => {};
  /** Whether credit is returned as data comes. */
  reading = true;
  readonly #waiters = new Set<() => void>();

  onInterim(head: ResponseHead): void {
    this.interims.push(head);
    this.#wake();
  }
  onHead(head: ResponseHead): void {
    this.head = head;
    this.#wake();
  }
  onData(chunk: Buffer): void {
    this.chunks.push(Buffer.from(chunk));
    if (this.reading) this.stream.consumed(chunk.length);
    this.#wake();
  }
  onEnd(trailers: RawHeaders): void {
    this.trailers = trailers;
    this.#wake();
  }
  onReset(reason: StreamReset): void {
    this.reset = reason;
    this.#wake();
  }
  onDrain(): void {
    this.pump();
    this.#wake();
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }
  get text(): string {
    return this.body.toString("latin1");
  }

  /** Waits until `condition` holds; the test's own timeout is the limit. */
  async until(condition: (visit: this) => boolean): Promise<this> {
    while (!condition(this)) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiters.delete(wake);
          resolve();
        };
        this.#waiters.add(wake);
      });
    }
    return this;
  }

  /** The whole response. @throws StreamReset when it was cut. */
  async complete(): Promise<this> {
    await this.until(() => this.trailers !== undefined || this.reset !== undefined);
    if (this.reset !== undefined && this.trailers === undefined) throw this.reset;
    return this;
  }

  /** The reset. @throws Error when the response was complete. */
  async cut(): Promise<StreamReset> {
    await this.until(() => this.trailers !== undefined || this.reset !== undefined);
    if (this.reset === undefined) throw new Error("the response was complete");
    return this.reset;
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }
}

/** Writes `length` bytes of the test body as fast as the stream takes them, and returns its progress. */
export function upload(
  handler: Visit,
  length: number,
): { readonly written: number; readonly done: Promise<void> } {
  let resolveDone: () => void;
  const progress = { written: 0, done: new Promise<void>((resolve) => (resolveDone = resolve)) };
  handler.pump = () => {
    while (progress.written < length) {
      const chunk = bytesAt(progress.written, Math.min(65_536, length - progress.written));
      progress.written += chunk.length;
      if (!handler.stream.write(chunk)) return;
    }
    handler.pump = () => {};
    handler.stream.end();
    resolveDone();
  };
  handler.pump();
  return progress;
}

/** Opens a stream for a request. A body that is given here is sent whole and ended. */
export function visit(
  relay: OpeningSession,
  request: Partial<RequestHead> & { body?: Buffer | "open" } = {},
): Visit {
  const { body, ...head } = request;
  const handler = new Visit();
  handler.stream = relay.open(
    { method: "GET", path: "/", headers: ["Host", "demo.relay.test"], ...head },
    body === undefined,
    handler,
  );
  if (body !== undefined && body !== "open") {
    handler.stream.write(body);
    handler.stream.end();
  }
  return handler;
}
