/** The part of its session's sender that a stream uses. */
export interface FramePort {
  /** `more`: text behind the payload, so that the two need not be made one. Default: none. */
  text(typeAndFlags: number, streamId: number, payload: string, more?: string): void;
  number(typeAndFlags: number, streamId: number, payload: number): void;
  bytes(typeAndFlags: number, streamId: number, payload: Buffer): void;
  /** Puts END on the last frame if it is this stream's and has not left. */
  markEnd(streamId: number): boolean;
  /**
   * Whether the link, and the memory for unacknowledged bytes, have room for a chunk of DATA of this size.
   */
  canSendData(bytes: number): boolean;
  /** Whether the bytes that the peer has not acknowledged leave room for a frame that can be left out. */
  readonly hasRoom: boolean;
  /** Asks for a call of `pump` when there is room; streams take turns. */
  awaitTurn(stream: TurnTaker): void;
  /** The stream is over, and wants no turn any more. */
  forget(stream: TurnTaker): void;
}

/** A stream that waits for its turn, as the sender sees it. */
export interface TurnTaker {
  /** Sends `budget` bytes or a little more. Returns true when there is more to send than that. */
  pump(budget: number): boolean;
  /** `pump` threw. Ends this stream and no other. */
  fault(error: unknown): void;
}
