import { pino } from "pino";
import pretty from "pino-pretty";
import { LineGatherer } from "./line-gatherer.js";
import { isoTime, type LogFormat, type Logger, type LogLevel } from "../log.js";
import { formatHostPort } from "./values.js";

/** What a request's line says in its message. */
const requestFields =
  "method,path,status,bytes,requestBytes,durationMs,outcome,reason,address,wire,requestId";

/** Requests and listeners read as sentences; of the rest, what it is about comes first. */
function prettyMessage(line: Record<string, unknown>, messageKey: string): string {
  const { name, method, path, status, bytes, durationMs, outcome, reason, address, host, port } =
    line as Record<string, string | number | undefined>;
  const message = line[messageKey] as string;
  if (port !== undefined)
    return `${message} on ${formatHostPort({ host: String(host), port: Number(port) })}`;
  if (method === undefined) {
    const details = [name, reason, address].filter((detail) => detail !== undefined);
    return details.length === 0 ? message : `${message}: ${details.join(", ")}`;
  }
  const end = outcome === "completed" ? "" : `, ${outcome}${reason === undefined ? "" : ` (${reason})`}`;
  return `${name ?? "-"} ${method} ${path} ${status ?? "-"} ${bytes} B ${durationMs} ms from ${address}${end}`;
}

/** A logger on the standard output. */
export interface LogOutput {
  logger: Logger;
  /** Writes a line of another form, with its end, in between. */
  write: (line: string) => void;
  /** Writes out what is still held, before the process ends. */
  flush: () => void;
}

export function createLogger(format: LogFormat, level: LogLevel): LogOutput {
  if (format === "pretty") {
    // Synchronous: people read it, at their speed.
    const stream = pretty({
      sync: true,
      singleLine: true,
      translateTime: "SYS:HH:MM:ss.l",
      ignore: `pid,hostname,name,host,port,${requestFields}`,
      messageFormat: prettyMessage,
    });
    return {
      logger: pino({ level }, stream),
      write: (line) => void process.stdout.write(line),
      flush() {},
    };
  }
  // Asynchronous: a reader who is slow does not stop the relay.
  const stream = pino.destination({ dest: 1, sync: false });
  // The reader of a pipe may leave; that is no reason to end.
  stream.on("error", () => {});
  const lines = new LineGatherer((text) => stream.write(text));
  const flush = (): void => {
    lines.flush();
    stream.flushSync();
  };
  // An error that nobody caught ends the process without a call of `flush`.
  process.on("exit", flush);
  return {
    logger: pino({ level, base: null, timestamp: () => `,"time":"${isoTime(Date.now())}"` }, lines),
    // One buffer, so that no line comes to stand inside another.
    write: (line) => lines.write(line),
    flush,
  };
}
