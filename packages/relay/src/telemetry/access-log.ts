import { headerValue } from "mcp-tunnel-protocol";
import { printable } from "mcp-tunnel-shared";
import { isoTime, type Logger } from "./log.js";
import type { ExchangeRecord, RelayObserver } from "./observer.js";

/**
 * Writes one line per exchange. Header fields and queries stay out of it, because they hold tokens and
 * cookies.
 */
export function accessLog(logger: Logger): RelayObserver {
  return {
    onEnd(exchange) {
      const reason = reasonOf(exchange);
      logger.info(
        {
          name: exchange.name === undefined ? undefined : printable(exchange.name),
          method: printable(exchange.method),
          path: printable(exchange.path),
          status: exchange.status,
          bytes: exchange.responseBytes,
          requestBytes: exchange.requestBytes,
          durationMs: tenths(exchange.durationMs),
          outcome: exchange.outcome,
          reason: reason === undefined ? undefined : printable(reason),
          address: printable(exchange.address),
          wire: exchange.wire,
          requestId: exchange.requestId,
          visitorRequestId: exchange.visitorRequestId,
        },
        "request",
      );
    },
  };
}

/** The code, and the detail after a colon. */
function reasonOf({ code, detail }: ExchangeRecord): string | undefined {
  return detail === undefined ? code : `${code}: ${detail}`;
}

/**
 * The same as lines of JSON, in the shape that pino gives them. pino would take four times as long (measured:
 * a tenth of a busy relay's CPU time). `write` gets each line with its line end.
 */
export function jsonLog(write: (line: string) => void): RelayObserver {
  return { onEnd: (exchange) => write(jsonLine(exchange, isoTime(Date.now()))) };
}

/**
 * The texts are joined in one step. A text that grows by `+` is a tree of small objects until somebody reads
 * it, and the collector would copy the trees of all lines that wait to be written (measured: a fifth of what
 * it copies). A name of the line begins with the quote that ends the text before it.
 */
function jsonLine(exchange: ExchangeRecord, time: string): string {
  const { name, status, wire, requestId, visitorRequestId } = exchange;
  const reason = reasonOf(exchange);
  return [
    '{"level":30,"time":"',
    time,
    name === undefined ? "" : '","name":"',
    name === undefined ? "" : escaped(name),
    '","method":"',
    escaped(exchange.method),
    '","path":"',
    escaped(exchange.path),
    status === undefined ? '"' : '","status":',
    status ?? "",
    ',"bytes":',
    exchange.responseBytes,
    ',"requestBytes":',
    exchange.requestBytes,
    ',"durationMs":',
    tenths(exchange.durationMs),
    ',"outcome":"',
    exchange.outcome,
    reason === undefined ? "" : `","reason":"${escaped(reason)}`,
    '","address":"',
    escaped(exchange.address),
    wire === undefined ? "" : '","wire":"',
    wire ?? "",
    requestId === undefined ? "" : '","requestId":"',
    requestId === undefined ? "" : escaped(requestId),
    visitorRequestId === undefined ? "" : `","visitorRequestId":"${escaped(visitorRequestId)}`,
    '","msg":"request"}\n',
  ].join("");
}

/** Text that needs no escape in a JSON string and does no harm in a log: nearly every text. */
const plain = /^[ !#-[\]-~]*$/;

/** The text as it stands between the quotes of a JSON string. */
function escaped(text: string): string {
  return plain.test(text) ? text : JSON.stringify(printable(text)).slice(1, -1);
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/**
 * The same in Apache's combined form, for the tools that read it. The form has no place for the tunnel's
 * name. `write` gets each line with its line end.
 */
export function combinedLog(write: (line: string) => void): RelayObserver {
  return { onEnd: (exchange) => write(`${combinedLine(exchange, new Date())}\n`) };
}

function combinedLine(exchange: ExchangeRecord, now: Date): string {
  const { address, method, path, httpVersion, status, responseBytes, headers } = exchange;
  const request = quoted(`${method} ${path} HTTP/${httpVersion}`);
  // The referrer's query may hold secrets, as the path's may.
  const referrer = quoted(headerValue(headers, "referer")?.split(/[?#]/, 1)[0] ?? "-");
  const agent = quoted(headerValue(headers, "user-agent") ?? "-");
  const bytes = responseBytes === 0 ? "-" : responseBytes;
  return `${address} - - [${apacheTime(now)}] ${request} ${status ?? "-"} ${bytes} ${referrer} ${agent}`;
}

/** Text in Apache's quotes. Quotes, backslashes and all characters except printable ASCII are escaped. */
function quoted(text: string): string {
  const escaped = text.replace(/["\\]/g, "\\$&").replace(/[^\x20-\x7e]/g, (char) => {
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `"${escaped}"`;
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `10/Oct/2026:13:55:36 +0000`. */
function apacheTime(time: Date): string {
  const day = String(time.getUTCDate()).padStart(2, "0");
  const clock = time.toISOString().slice(11, 19);
  return `${day}/${months[time.getUTCMonth()]}/${time.getUTCFullYear()}:${clock} +0000`;
}
