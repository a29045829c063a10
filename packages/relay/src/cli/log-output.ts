import { pino } from "pino";
import { prettyFactory } from "pino-pretty";
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
  /**
   * Writes out what is still held, at the end of the process. False when a write still waits in the kernel for a reader after
   * {@link flushTimeoutMs}.
   */
  flush: () => Promise<boolean>;
}

/** What may wait for a reader who is slow, in characters. */
const maxWaitingLength = 4_194_304;
/** How long the end of the process waits for one, in milliseconds. */
const flushTimeoutMs = 1_000;

/**
 * Writes without waiting: neither a terminal that is paused (Ctrl-S), nor a reader who has stopped, nor a full disk stops the
 * relay. Beyond {@link maxWaitingLength} lines are lost, and their number is told when lines are taken again.
 */
export function createLogger(format: LogFormat, level: LogLevel): LogOutput {
  const stream = pino.destination({ dest: 1, sync: false, maxLength: maxWaitingLength });
  // The reader of a pipe may leave, and a disk may be full; that is no reason to end.
  let isFailing = false;
  stream.on("error", () => (isFailing = true));
  stream.on("write", () => (isFailing = false));
  const lines = new LineGatherer((text) => stream.write(text));
  const toText = format === "pretty" ? prettyFactory(prettyOptions) : (line: string): string => line;
  const logger = pino(
    { level, base: null, timestamp: () => `,"time":"${isoTime(Date.now())}"` },
    { write: (line: string) => lines.write(toText(line)) },
  );
  let lost = 0;
  stream.on("drop", (text: string) => (lost += text.split("\n").length - 1));
  stream.on("drain", () => {
    if (lost === 0) return;
    logger.warn({ lines: lost }, "lines of the log are lost: nobody read them in time, or the disk was full");
    lost = 0;
  });
  return {
    logger,
    // Through the one buffer, so that no line comes to stand inside another.
    write: (line) => lines.write(line),
    flush() {
      lines.flush();
      return new Promise((resolve) => {
        const finish = (isFree: boolean): void => {
          clearTimeout(timer);
          // Otherwise pino tries again at the exit of the process, and for ever where the disk is full.
          stream.destroy();
          resolve(isFree);
        };
        const timer = setTimeout(() => finish(isFailing), flushTimeoutMs);
        stream.once("close", () => finish(true)).once("error", () => finish(true));
        stream.end();
      });
    },
  };
}

const prettyOptions = {
  singleLine: true,
  translateTime: "SYS:HH:MM:ss.l",
  ignore: `pid,hostname,name,host,port,${requestFields}`,
  messageFormat: prettyMessage,
};
