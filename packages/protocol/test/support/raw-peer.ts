import { V1ClientSession, V1RelaySession } from "mcp-tunnel-protocol/sessions";
import type { AcceptStream, AcceptedStream, SessionHandler, StreamHandler } from "mcp-tunnel-protocol";
import type { V1Options } from "mcp-tunnel-protocol/sessions";
import { linkedPair } from "mcp-tunnel-protocol/testing";
import type { MemoryLink } from "mcp-tunnel-protocol/testing";
import { parse } from "./wire.js";
import type { WireFrame } from "./wire.js";

/** The far end of a session's link, played by the test: it sends any bytes and records every message. */
export class RawPeer {
  readonly link: MemoryLink;
  /** Messages that the session has sent over this link. */
  readonly messages: Buffer[] = [];
  /** How the session closed the link. */
  closed: { code: number; reason: string } | undefined;
  /** The session's end of the link. */
  readonly sessionLink: MemoryLink;

  constructor() {
    [this.link, this.sessionLink] = linkedPair({ manual: true });
    this.link.handler = {
      onMessage: (message) => {
        if (typeof message === "string") throw new Error("the session sent a text message");
        this.messages.push(message);
      },
      onClose: (code, reason) => {
        this.closed = { code, reason };
      },
    };
  }

  /**
   * Sends frames in one message; the session has dealt with them on return. An error that it throws is thrown
   * here.
   */
  send(...frames: Buffer[]): void {
    this.sendMessage(Buffer.concat(frames));
  }

  sendMessage(message: Buffer | string): void {
    this.link.send(message);
    this.sessionLink.deliverAll();
  }

  /** All frames that the session has sent, also those that it holds back until the end of this turn. */
  async frames(): Promise<WireFrame[]> {
    await turn();
    this.link.deliverAll();
    return parse(Buffer.concat(this.messages));
  }
}

/** A turn of the event loop, after which everything that waited for `setImmediate` has run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

/** A session's owner that notes the callbacks. */
export function owner(): SessionHandler & { events: string[]; faults: unknown[] } {
  const events: string[] = [];
  const faults: unknown[] = [];
  return {
    events,
    faults,
    onClose: (error, code) => events.push(`closed ${error.code}${code === undefined ? "" : ` ${code}`}`),
    onDetached: (error) => events.push(`detached ${error.code}`),
    onGoaway: () => events.push("goaway"),
    onRefused: (refusals) => events.push(`refused ${refusals.map(({ code }) => code).join()}`),
    onFault: (error) => faults.push(error),
  };
}

/** A stream's handler that notes its callbacks. It consumes nothing by itself. */
export function listener(also: Partial<StreamHandler> = {}): StreamHandler & { seen: string[] } {
  const seen: string[] = [];
  return {
    seen,
    onInterim: (head) => {
      seen.push(`interim ${head.status}`);
      also.onInterim?.(head);
    },
    onHead: (head, end) => {
      seen.push(`head ${head.status}${end ? " end" : ""}`);
      also.onHead?.(head, end);
    },
    onData: (chunk, last) => {
      seen.push(`data ${chunk.length}${last ? " last" : ""}`);
      also.onData?.(chunk, last);
    },
    onEnd: (trailers) => {
      seen.push(trailers.length === 0 ? "end" : `end ${trailers.join("|")}`);
      also.onEnd?.(trailers);
    },
    onReset: (reason) => {
      seen.push(`reset ${reason.code}`);
      also.onReset?.(reason);
    },
    onDrain: () => {
      seen.push("drain");
      also.onDrain?.();
    },
    onFlushed: () => {
      seen.push("flushed");
      also.onFlushed?.();
    },
  };
}

/** No pings, so that the wire carries only the frames of the test. */
const quiet: V1Options = { liveness: { pingIntervalMs: 0 } };

/** A relay's session whose client is the test. */
export function relayWithRawClient(options: V1Options = {}) {
  const told = owner();
  const relay = new V1RelaySession(told, { ...quiet, ...options });
  const peer = new RawPeer();
  relay.attach(peer.sessionLink, 0);
  return { relay, peer, told };
}

/** A client's session whose relay is the test; `streams` holds those that were accepted. */
export function clientWithRawRelay(options: V1Options = {}, accept: AcceptStream = () => listener()) {
  const told = owner();
  const streams = new Map<number, { stream: AcceptedStream; handler: StreamHandler }>();
  const client = new V1ClientSession(
    (stream, head, end) => {
      const handler = accept(stream, head, end);
      streams.set(stream.id, { stream, handler });
      return handler;
    },
    told,
    { ...quiet, ...options },
  );
  const peer = new RawPeer();
  client.attach(peer.sessionLink, 0);
  return { client, peer, told, streams };
}
