/**
 * One connection to the peer that carries whole messages in order: a WebSocket, or half of a linked pair in
 * tests. A session may outlive several links.
 */
export interface Link {
  /** The handler of the link's present owner. While there is none, the link keeps messages back. */
  handler: LinkHandler | undefined;
  /** Bytes given to `send` that have not left this process. */
  readonly bufferedBytes: number;
  /** Sends one message: binary for a Buffer, text for a string. Nothing happens on a closed link. */
  send(message: Buffer | string): void;
  /** Holds messages back until `uncork`, so that they leave in one write. Calls do not nest. */
  cork(): void;
  /** Sends what was held back. */
  uncork(): void;
  /** Asks the peer for a sign of life; `onPong` follows. */
  ping(): void;
  /** Stops the delivery of messages until `resume`. Meanwhile the transport slows the peer down. */
  pause(): void;
  /** Goes on with the delivery of messages. */
  resume(): void;
  /**
   * Closes the connection with a code and a reason (at most 123 bytes of UTF-8). If the peer does not answer
   * in time, the connection is cut.
   */
  close(code: number, reason: string): void;
  /** Cuts the connection at once. */
  terminate(): void;
}

/** Callbacks for the events of a link. None is called after `onClose`. */
export interface LinkHandler {
  /** A whole message: binary as a Buffer, text as a string. */
  onMessage(message: Buffer | string): void;
  /** `bufferedBytes` has fallen to 0 after some of the bytes had to wait. */
  onDrain?(): void;
  /** The peer has answered a ping. */
  onPong?(): void;
  /** The connection is gone. `code` is 1006 when the peer did not close it. */
  onClose(code: number, reason: string): void;
}
