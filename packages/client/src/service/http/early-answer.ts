import type { Socket } from "node:net";

type Callback = (error?: Error | null) => void;

/**
 * Lets a connection outlive a write that its other end has refused. A service may answer before it has read
 * the whole request, and close the connection. Writing fails then, while the answer lies unread in the
 * kernel, and Node would give up both. So such a write just does not complete. Reading brings the answer, or
 * else an end or an error if there is none.
 */
export function readAfterRefusedWrite(socket: Socket): void {
  const unlessRefused = (callback: Callback): Callback => {
    return (error) => {
      if (!isRefusal(error) || socket.readableEnded || socket.destroyed) callback(error);
    };
  };
  const write = socket._write.bind(socket);
  // Node hands over one callback for all writes of a stream. So the closure is made once.
  let given: Callback | undefined;
  let guarded: Callback = () => {};
  socket._write = (chunk, encoding, callback) => {
    if (callback !== given) {
      given = callback;
      guarded = unlessRefused(callback);
    }
    write(chunk, encoding, guarded);
  };
  const writev = socket._writev?.bind(socket);
  if (writev !== undefined) socket._writev = (chunks, callback) => writev(chunks, unlessRefused(callback));
}

/** The other end has closed or reset the connection, so that reading will soon show the outcome. */
function isRefusal(error: NodeJS.ErrnoException | null | undefined): boolean {
  return error?.code === "EPIPE" || error?.code === "ECONNRESET";
}
