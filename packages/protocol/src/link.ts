/**
 * One connection to the peer that carries whole messages in order: a WebSocket, or half of a linked pair in
 * tests. A session may outlive several links.
 */
export interface Link {
  /** Set by whoever owns the link now; messages that come while there is none are kept back. */
  handler: LinkHandler | undefined;
  /** Bytes given to `send` that have not left this process. */
  readonly bufferedBytes: number;
  /** Sends one message: binary for a Buffer, text for a string. Nothing happens on a closed link. */
  send(message: Buffer | string): void;
  /** Holds what is sent until `uncork`, so that it leaves in one write. Calls do not nest. */
  cork(): void;
  uncork(): void;
  /** Asks for a sign of life; `onPong` follows. */
  ping(): void;
  /** Stops and restarts the delivery of messages; the peer is slowed down by the transport. */
  pause(): void;
  resume(): void;
  /** Closes with a code and a reason (at most 123 bytes of UTF-8); cut off if the peer does not answer in time. */
  close(code: number, reason: string): void;
  /** Cuts the connection at once. */
  terminate(): void;
}

/** What happens on a link. Nothing is called after `onClose`. */
export interface LinkHandler {
  onMessage(message: Buffer | string): void;
  /** `bufferedBytes` has fallen to nothing after some of it had to wait. */
  onDrain?(): void;
  onPong?(): void;
  /** The connection is gone. `code` is 1006 when the peer said nothing. */
  onClose(code: number, reason: string): void;
}
