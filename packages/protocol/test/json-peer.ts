import { setImmediate as nextTurn } from "node:timers/promises";
import type {
  AcceptedStream,
  RawHeaders,
  RequestHead,
  ResponseHead,
  SessionHandler,
  StreamHandler,
  StreamReset,
  TunnelError,
} from "mcp-tunnel-protocol";
import type { JsonClientSessionOptions } from "mcp-tunnel-protocol/sessions";
import { JsonClientSession, JsonRelaySession } from "mcp-tunnel-protocol/sessions";
import { linkedPair, type MemoryLink } from "mcp-tunnel-protocol/testing";

/** A stream handler that writes its callbacks down, and can be waited for. */
export class Recorder implements StreamHandler {
  /** `head 200`, `data abc`, `end`, `reset code`, `drain`, in order. */
  readonly events: string[] = [];
  head: ResponseHead | undefined;
  headEnd: boolean | undefined;
  readonly chunks: Buffer[] = [];
  resetReason: StreamReset | undefined;
  readonly over: Promise<void>;
  #over!: () => void;

  constructor() {
    this.over = new Promise((resolve) => {
      this.#over = resolve;
    });
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  onHead(head: ResponseHead, end: boolean): void {
    this.head = head;
    this.headEnd = end;
    this.events.push(`head ${head.status}`);
  }

  onData(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.events.push(chunk.length < 40 ? `data ${chunk.toString()}` : `data of ${chunk.length}`);
  }

  onEnd(trailers: RawHeaders): void {
    this.events.push(trailers.length === 0 ? "end" : `end ${trailers.join()}`);
    this.#over();
  }

  onReset(reason: StreamReset): void {
    this.resetReason = reason;
    this.events.push(`reset ${reason.code}`);
    this.#over();
  }

  onDrain(): void {
    this.events.push("drain");
  }
}

/** A session's owner that writes its callbacks down. */
export class Owner implements SessionHandler {
  readonly closes: { error: TunnelError; code: number | undefined; reason: string | undefined }[] = [];
  readonly faults: unknown[] = [];

  onClose(error: TunnelError, code?: number, reason?: string): void {
    this.closes.push({ error, code, reason });
  }

  onFault(error: unknown): void {
    this.faults.push(error);
  }
}

/** The far end of a link, driven by JSON written by hand: it knows nothing of our codec. */
export class RawPeer {
  readonly received: Record<string, unknown>[] = [];
  closed: { code: number; reason: string } | undefined;
  readonly link: MemoryLink;

  constructor(link: MemoryLink) {
    this.link = link;
    link.handler = {
      onMessage: (message) => {
        if (typeof message !== "string") throw new Error("a binary message on the JSON wire");
        this.received.push(JSON.parse(message) as Record<string, unknown>);
      },
      onClose: (code, reason) => {
        this.closed = { code, reason };
      },
    };
  }

  async say(...messages: (string | Buffer | object)[]): Promise<void> {
    for (const message of messages) {
      this.link.send(
        typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message),
      );
    }
    await this.settle();
  }

  /** Lets all messages on their way arrive, answers included. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 6; turn++) await nextTurn();
  }
}

type RelayOptions = NonNullable<ConstructorParameters<typeof JsonRelaySession>[2]>;
const quiet = { liveness: { pingIntervalMs: 0 } };

/** Our relay's session and a raw client. */
export function relayAndRawClient(options: RelayOptions = {}) {
  const [near, far] = linkedPair();
  const owner = new Owner();
  const session = new JsonRelaySession(near, owner, { ...quiet, ...options });
  return { session, owner, link: near, client: new RawPeer(far) };
}

export interface Accepted {
  stream: AcceptedStream;
  head: RequestHead;
  end: boolean;
  recorder: Recorder;
}

/** Our client's session and a raw relay. `onAccept` may answer before it is known who handles the stream. */
export function clientAndRawRelay(
  options: JsonClientSessionOptions = {},
  onAccept: (stream: AcceptedStream, recorder: Recorder) => void = () => {},
) {
  const [near, far] = linkedPair();
  const owner = new Owner();
  const accepted: Accepted[] = [];
  const session = new JsonClientSession(
    near,
    (stream, head, end) => {
      const recorder = new Recorder();
      accepted.push({ stream, head, end, recorder });
      onAccept(stream, recorder);
      return recorder;
    },
    owner,
    { ...quiet, ...options },
  );
  return { session, owner, link: near, accepted, relay: new RawPeer(far) };
}

export const get = (path = "/", headers: RawHeaders = []): RequestHead => ({ method: "GET", path, headers });
