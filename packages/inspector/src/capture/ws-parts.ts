import type { Writable } from "node:stream";
import * as ws from "ws";

// `ws` exports these classes, and its types leave them out.

/** Parameters of an extension, as `Sec-WebSocket-Extensions` has them. */
type Parameters = Record<string, string | number | true>;

/** Undoes an extension's change of messages. */
export interface Inflater {
  decompress(data: Buffer, end: boolean, done: (error: Error | null, data?: Buffer) => void): void;
}

/** Permessage-deflate (RFC 7692), of one end of a connection. */
export interface MessageInflater extends Inflater {
  params: Parameters | null;
  /** Takes what was negotiated, if this is the client's end. */
  accept(negotiated: Record<string, unknown>[]): Parameters;
  cleanup(): void;
}

interface ReceiverOptions {
  /** This is the server's end: it gets masked frames. */
  isServer: boolean;
  extensions: Record<string, Inflater>;
  maxPayload: number;
  maxBufferedChunks: number;
  maxFragments: number;
}

/** Reads the frames that one end of a connection gets (RFC 6455), and unmasks them where they lie. */
export interface FrameReceiver
  extends Pick<Writable, "destroyed" | "end" | "writableEnded" | "writableLength" | "write"> {
  on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): this;
  on(event: "ping" | "pong", listener: (data: Buffer) => void): this;
  /** A Close frame, which is the last. */
  on(event: "conclude", listener: (code: number, reason: Buffer) => void): this;
  on(event: "error", listener: (error: Error & { code?: string }) => void): this;
  on(event: "finish", listener: () => void): this;
  /** Chunks that are not read yet, and the fragments of a message whose end has not come. */
  readonly _buffers: readonly Buffer[];
  readonly _bufferedBytes: number;
  readonly _fragments: readonly Buffer[];
  readonly _messageLength: number;
}

interface Parts {
  Receiver: new (options: ReceiverOptions) => FrameReceiver;
  PerMessageDeflate: new (options: { isServer: boolean; maxPayload: number }) => MessageInflater;
  extension: {
    /** @throws SyntaxError for what is no list of extensions. */
    parse(header: string): Record<string, Record<string, unknown>[]>;
  };
}

export const { Receiver, PerMessageDeflate, extension } = ws as unknown as Parts;
