import type { RawHeaders, ResponseHead } from "mcp-tunnel-protocol";

/**
 * What the relay needs of a visitor's request, over HTTP/1.1 or HTTP/2. The shape is that of Node's
 * IncomingMessage, so that HTTP/1.1 (http1.ts) costs no adapter; HTTP/2 has one (http2.ts).
 */
export interface VisitorRequest {
  readonly method?: string | undefined;
  /** The request target as received. */
  readonly url?: string | undefined;
  /** `1.1`, `2.0`. */
  readonly httpVersion: string;
  /** As an HTTP/1.1 request has them: with Host, without pseudo fields. */
  readonly rawHeaders: RawHeaders;
  /** Complete once the request has ended. */
  readonly rawTrailers: RawHeaders;
  readonly readableEnded: boolean;
  readonly destroyed: boolean;
  /** The other end of the connection; empty when it is gone already. */
  readonly remoteAddress: string;
  readonly scheme: "http" | "https";
  /** Requests share the connection in frames (HTTP/2): none begins where another's body ends. */
  readonly isMultiplexed: boolean;
  /** A body follows whose length the head does not tell. */
  readonly hasUnsizedBody: boolean;
  on(event: "data", listener: (chunk: Buffer) => void): this;
  on(event: "end" | "close" | "error", listener: () => void): this;
  once(event: "close", listener: () => void): this;
  off(event: "data", listener: (chunk: Buffer) => void): this;
  off(event: "end" | "close", listener: () => void): this;
  pause(): unknown;
  resume(): unknown;
  /** Takes no more of the body after the response, even if that costs the connection. */
  abandon(): void;
}

/** Runs `action` for an event of Node or a timer, and catches the errors that it throws. */
export type Guard = (action: () => void) => void;

/** How far the visitor is with a body that the relay does not want. */
export type UnwantedBody =
  /** The visitor waits for a 100 before it sends any. */
  | "unsent"
  /** The body is short enough to be read to its end, which spares the connection. */
  | "small"
  | "large";

/** What the relay needs to answer a visitor. The shape is that of Node's ServerResponse. */
export interface VisitorResponse {
  readonly headersSent: boolean;
  readonly statusCode: number;
  readonly destroyed: boolean;
  /** The whole response was handed over, to a visitor who was still there. */
  readonly isWhole: boolean;
  /** Bytes that wait for the visitor. */
  readonly backlog: number;
  /**
   * A number that gives, added to the bytes written so far, a sum that stays the same as long as the visitor
   * takes nothing. The sum may change by any amount when the visitor takes something. Only a watch for stalls
   * (stall-watch.ts) should call this.
   */
  takenMark(): number;
  /** Calls `listener` once all of the response has been handed over, or never. */
  onceWritten(listener: () => void): void;
  /** False: the connection closes after this response. */
  shouldKeepAlive: boolean;
  /** Can trailers follow the body? Known once the head is written. */
  readonly takesTrailers: boolean;
  writeContinue(): void;
  /** Passes an interim head on (102 to 199), if that is possible. */
  sendInterim(head: ResponseHead): void;
  writeHead(status: number, headers: RawHeaders): unknown;
  flushHeaders(): void;
  /** False: wait for `drain`. */
  write(chunk: Buffer): boolean;
  addTrailers(trailers: readonly [string, string][]): void;
  end(chunk?: Buffer): unknown;
  /**
   * Ends the response although the request goes on, so that the visitor gets the answer and the connection
   * stays in order. `guard` runs the events that come later.
   */
  endEarly(payload: Buffer, body: UnwantedBody, guard: Guard): void;
  /**
   * Answers an upgrade request with the switch to `protocol`. Raw bytes may follow. False when the service's
   * answer cannot be passed on to the visitor.
   */
  switchProtocols(protocol: string, headers: RawHeaders): boolean;
  /**
   * Breaks the response off, so that it does not look complete. `hasLength`: its head tells the body's
   * length.
   */
  cut(hasLength: boolean): void;
  on(event: "error", listener: () => void): this;
  once(event: "drain", listener: () => void): this;
  /** Calls `listener` when the response was handed over, or the visitor is gone; perhaps more than once. */
  watchClose(listener: () => void): void;
  unwatchClose(listener: () => void): void;
}
