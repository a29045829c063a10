/** What a stream does with the sender of its session. */
export interface FramePort {
  text(typeAndFlags: number, streamId: number, payload: string): void;
  number(typeAndFlags: number, streamId: number, payload: number): void;
  bytes(typeAndFlags: number, streamId: number, payload: Buffer): void;
  /** Puts END on the last frame if it is this stream's and has not left. */
  markEnd(streamId: number): boolean;
  /** Whether the link and the memory for what is not acknowledged have room for a chunk of DATA of this size. */
  canSendData(bytes: number): boolean;
  /** Whether what the peer has not acknowledged leaves room for what can as well be left out. */
  readonly hasRoom: boolean;
  /** Asks for a call of `pump` when there is room; streams take turns. */
  awaitTurn(stream: TurnTaker): void;
  /** The stream is over, and wants no turn any more. */
  forget(stream: TurnTaker): void;
}

/** What a sender does with a stream that waits for its turn. */
export interface TurnTaker {
  /** Sends `budget` bytes or a little more; true when there is more to send than that. */
  pump(budget: number): boolean;
  /** `pump` threw: this ends the stream and no other. */
  fault(error: unknown): void;
}
