import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { endToEndHeaders, type RawHeaders, type ResponseHead } from "mcp-tunnel-protocol";
import { areHeadersValid } from "./response-head.js";

/** A head as text; the reason phrase is always the relay's own. */
export function headText(status: number, headers: RawHeaders): string {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}\r\n`;
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return `${text}\r\n`;
}

/**
 * Passes an interim head on. Node can only send a 102 without fields and a 103 with `Link`, so it is written to the
 * connection directly. Interim heads are optional: where they cannot go they are dropped.
 */
export function sendInterim(req: IncomingMessage, res: ServerResponse, head: ResponseHead): void {
  // No connection: an earlier pipelined request is still being answered. HTTP/1.0 knows no interim heads.
  if (res.socket === null || res.headersSent || req.httpVersionMinor === 0) return;
  if (head.status < 102 || head.status > 199 || !areHeadersValid(head.headers)) return;
  res.socket.write(headText(head.status, endToEndHeaders(head.headers, noFraming)), "latin1");
}

const noFraming = new Set(["content-length"]);
