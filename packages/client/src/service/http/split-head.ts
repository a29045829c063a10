import { FieldNames, nameAt } from "mcp-tunnel-protocol";
import type { RawHeaders } from "mcp-tunnel-protocol";

const [tab, space, one] = [0x09, 0x20, 0x31];

/**
 * Fields by which undici and its parser know where a body ends, and what becomes of the connection. llhttp
 * takes `Proxy-Connection` for `Connection`.
 */
const forParser = new FieldNames([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
]);

/** The length of `HTTP/1.1 200`, which is all that a parser needs of a clean status line. */
const statusLength = 12;

/**
 * Takes a head apart that begins a chunk, and whose length, with its empty line, is `end`. It has to be one
 * that `scanHead` has found clean. `fields`: all its fields, as undici would report them. `rest`: the chunk
 * from a shorter head on, which has only what a parser needs.
 *
 * The shorter head is written over the one that came. Nobody else has these bytes: Node reads each chunk into
 * memory of its own, and a connection within the process copies what is written to it.
 */
export function splitHead(chunk: Buffer, end: number): { fields: RawHeaders; rest: Buffer } {
  const text = chunk.toString("latin1", 0, end);
  const fields: RawHeaders = [];
  const isHttp11 = text.charCodeAt(7) === one;
  let at = text.indexOf("\n") + 1;
  chunk.copyWithin(statusLength, at - 2, at);
  let keptBytes = statusLength + 2;
  // The last two bytes are the empty line.
  while (at < end - 2) {
    const colon = text.indexOf(":", at);
    const next = text.indexOf("\n", colon) + 1;
    const name = nameAt(text, at, colon);
    const value = text.slice(valueStart(text, colon + 1), next - 2);
    fields.push(name, value);
    // What `keep-alive` says is so without it in HTTP/1.1 (RFC 9112 section 9.3), and most services send it.
    if (forParser.has(name) && !(isHttp11 && value === "keep-alive")) {
      chunk.copyWithin(keptBytes, at, next);
      keptBytes += next - at;
    }
    at = next;
  }
  // Up to the empty line, which stays in its place before the body.
  const start = end - 2 - keptBytes;
  chunk.copyWithin(start, 0, keptBytes);
  return { fields, rest: chunk.subarray(start) };
}

/** Blanks before a value are no part of it (RFC 9112 section 5). */
function valueStart(text: string, from: number): number {
  let at = from;
  for (let code = text.charCodeAt(at); code === space || code === tab; code = text.charCodeAt(at)) at += 1;
  return at;
}
