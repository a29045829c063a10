import type { Message } from "./message.js";

/**
 * A server's process as a pipe for messages. This is all that the bridge knows of it: another binding, such
 * as HTTP/2 over the same two streams, would be another pipe.
 */
export interface Pipe {
  /** Sends a message: JSON on one line. False asks for a pause until {@link PipeOwner.onDrain}. */
  send(text: string): boolean;
  /** Reads no more of what the server says, until {@link resume}. */
  pause(): void;
  resume(): void;
  /**
   * Ends the process and its group. Resolves when the process is gone. No message is reported any more, but
   * {@link PipeOwner.onEnd} is.
   */
  end(): Promise<void>;
}

/** What a pipe tells its owner. */
export interface PipeOwner {
  onMessage(message: Message): void;
  /** The pipe takes messages again. */
  onDrain(): void;
  /** The process is gone, or was never there. This is the last call, and the only one of its kind. */
  onEnd(end: PipeEnd): void;
}

/** Why a pipe has ended. */
export interface PipeEnd {
  /**
   * - `not_found`: there is no such command
   * - `not_started`: the operating system has not started it
   * - `exited`: it has ended by itself, or was killed by another
   * - `message_too_long`: it was ended for a line over `maxMessageBytes`
   * - `ended`: the bridge has ended it
   */
  readonly code: "not_found" | "not_started" | "exited" | "message_too_long" | "ended";
  /** For the person at the terminal: what was run, and what became of it. */
  readonly message: string;
}

/**
 * Starts a server's process. It never throws: a command that cannot be started ends at once, in a later turn.
 */
export type OpenPipe = (owner: PipeOwner) => Pipe;
