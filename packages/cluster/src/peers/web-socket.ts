import type { Socket } from "node:net";
import { type Link, TunnelError } from "mcp-tunnel-protocol";

/** A link, and the connection beneath it. */
export interface OpenLink {
  readonly link: Link;
  readonly socket: Socket;
}

/** What `ws` is told at both ends of a link. */
export const webSocketOptions = {
  // What is sent is compressed already where that is worthwhile, and a bomb would cost much memory.
  perMessageDeflate: false,
  // A session's messages are much smaller. Those of a client that goes through another relay are passed on as
  // they come, and clients take as much.
  maxPayload: 16 * 1024 * 1024,
  maxFragments: 1_024,
};

/**
 * The close code of a handshake that fails because of what the peer said, or could not say (RFC 6455 section
 * 7.4.1).
 */
const refusedCode = 1008;

/** Bytes that may come until the handshake is over, WebSocket framing included. */
const maxHandshakeBytes = 16_384;

/** Bytes of a refused peer that are still read. */
const lingerBytes = 1_048_576;

/**
 * Resolves with the first message of a link, a text, and leaves the link to its next owner.
 * @throws TunnelError `protocol_error` for another message or too many bytes; `session_lost` with the peer's
 * reason when the link is closed.
 */
export function firstText({ link, socket }: OpenLink): Promise<string> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    let bytes = 0;
    const onData = (chunk: Buffer): void => {
      // The message may be over with this very chunk, in which more has come that is the next owner's.
      if (isOver) return;
      bytes += chunk.length;
      if (bytes <= maxHandshakeBytes) return;
      settle();
      reject(new TunnelError("protocol_error", `the handshake is over ${maxHandshakeBytes} bytes`));
    };
    const settle = (): void => {
      isOver = true;
      socket.off("data", onData);
      link.handler = undefined;
    };
    socket.on("data", onData);
    link.handler = {
      onMessage(message) {
        settle();
        if (typeof message === "string") resolve(message);
        else reject(new TunnelError("protocol_error", "a binary message in the handshake"));
      },
      onClose(code, reason) {
        settle();
        const said = reason === "" ? `the connection was closed (${code})` : `it said: ${reason}`;
        reject(new TunnelError("session_lost", said));
      },
    };
  });
}

/**
 * Closes a link whose peer has not proved that it is a relay of the cluster. What it still sends is read for
 * a while, so that no reset overtakes the reason. But nobody makes messages of it, which take memory up to
 * `maxPayload`.
 */
export function refusePeer({ link, socket }: OpenLink, reason: string): void {
  link.close(refusedCode, reason);
  socket.removeAllListeners("data");
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > lingerBytes) socket.destroy();
  });
  socket.resume();
  socket.end();
}
