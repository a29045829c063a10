import type { VisitorRequest } from "./message.js";

/** How much of an unwanted request body is still read, in bytes and in milliseconds. */
const lingerBytes = 1_048_576;
const lingerMs = 2_000;

/**
 * Reads the rest of a request and throws it away, until the request ends or enough has come. Then calls
 * `done`, once. The kernel resets a connection that is closed with unread bytes, and the reset can overtake
 * the answer (RFC 9112 section 9.6).
 */
export function linger(req: VisitorRequest, done: (ended: boolean) => void): void {
  let bytes = 0;
  const stop = (): void => {
    clearTimeout(timer);
    req.off("data", onData).off("end", stop).off("close", stop);
    done(req.readableEnded);
  };
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > lingerBytes) stop();
  };
  const timer = setTimeout(stop, lingerMs);
  if (req.readableEnded || req.destroyed) {
    stop();
    return;
  }
  req.on("data", onData).on("end", stop).on("close", stop);
  req.resume();
}
