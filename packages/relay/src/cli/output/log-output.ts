import { pino } from "pino";
import { printable, printableLines } from "mcp-tunnel-shared";
import { prettyFactory } from "pino-pretty";
import { LineGatherer } from "./line-gatherer.js";
import { isoTime, type LogFormat, type Logger, type LogLevel } from "../../telemetry/log.js";
import { formatHostPort } from "../../net/host-port.js";

/** What a request's line says in its message. */
const requestFields =
  "method,path,status,bytes,requestBytes,durationMs,outcome,reason,address,wire,requestId,visitorRequestId";

/** Requests and listeners read as sentences; of the rest, what it is about comes first. */
function prettyMessage(line: Record<string, unknown>, messageKey: string): string {
  const { name, method, path, status, bytes, durationMs, outcome, reason, address, host, port } =
    line as Record<string, string | number | undefined>;
  const message = line[messageKey] as string;
  if (host !== undefined && port !== undefined) {
    return `${message} on ${formatHostPort({ host: String(host), port: Number(port) })}`;
  }
  if (method === undefined) {
    const details = [name, reason, address].filter((detail) => detail !== undefined);
    return details.length === 0 ? message : `${message}: ${details.join(", ")}`;
  }
  const end = outcome === "completed" ? "" : `, ${outcome}${reason === undefined ? "" : ` (${reason})`}`;
  return `${name ?? "-"} ${method} ${path} ${status ?? "-"} ${bytes} B ${durationMs} ms from ${address}${end}`;
}

/** What may wait for a reader who is slow, in characters. */
const maxWaitingLength = 4_194_304;
/** How long the end of the process waits for one, in milliseconds. */
const flushTimeoutMs = 1_000;

/**
 * The standard output, one for all that is logged, so that no line comes to stand inside another. It is written without waiting:
 * neither a terminal that is paused (Ctrl-S), nor a reader who has stopped, nor a full disk stops the relay. Beyond
 * {@link maxWaitingLength} lines are lost.
 */
export class LogOutput {
  readonly #stream = pino.destination({
    dest: 1,
    sync: false,
    maxLength: maxWaitingLength,
    // A pipe that is full, and may not be waited for.
    retryEAGAIN: () => {
      this.#isInKernel = false;
      return true;
    },
  });
  readonly #lines = new LineGatherer((text) => {
    this.#isInKernel = true;
    this.#stream.write(text);
  });
  /** The last that is known of a write: it has not come back. */
  #isInKernel = false;
  #lost = 0;

  constructor() {
    const back = (): void => {
      this.#isInKernel = false;
    };
    // The reader of a pipe may leave, and a disk may be full; that is no reason to end.
    this.#stream.on("error", back).on("write", back);
    this.#stream.on("drop", (text: string) => (this.#lost += text.split("\n").length - 1));
  }

  /** Takes a line with its end. */
  write(line: string): void {
    this.#lines.write(line);
  }

  /** Calls `tell` with the number of lines that are lost, once lines are taken again. */
  onLost(tell: (lines: number) => void): void {
    this.#stream.on("drain", () => {
      const lost = this.#lost;
      this.#lost = 0;
      if (lost > 0) tell(lost);
    });
  }

  /**
   * Writes out what is still held, at the end of the process; nothing may be written afterwards. False when a write still waits in
   * the kernel for its reader after {@link flushTimeoutMs}.
   */
  flush(): Promise<boolean> {
    this.#lines.flush();
    return new Promise((resolve) => {
      const finish = (isFree: boolean): void => {
        clearTimeout(timer);
        // Otherwise pino tries again at the exit of the process, and for ever where the disk is full.
        this.#stream.destroy();
        resolve(isFree);
      };
      const timer = setTimeout(() => finish(!this.#isInKernel), flushTimeoutMs);
      this.#stream.once("close", () => finish(true)).once("error", () => finish(true));
      this.#stream.end();
    });
  }
}

/** Whatever a line's fields say, and whoever said it, it is one line and nothing that a terminal obeys. */
export function createLogger(output: LogOutput, format: LogFormat, level: LogLevel): Logger {
  const toText = format === "pretty" ? prettyText() : printableLines;
  return pino(
    { level, base: null, timestamp: () => `,"time":"${isoTime(Date.now())}"` },
    { write: (line: string) => output.write(toText(line)) },
  );
}

/** Before colours come in, which are meant for the terminal. */
function prettyText(): (line: string) => string {
  const pretty = prettyFactory(prettyOptions);
  return (line) => {
    const fields: unknown = JSON.parse(line, (_name, value: unknown) => {
      return typeof value === "string" ? printable(value) : value;
    });
    return pretty(fields);
  };
}

const prettyOptions = {
  singleLine: true,
  translateTime: "SYS:HH:MM:ss.l",
  ignore: `pid,hostname,name,host,port,${requestFields}`,
  messageFormat: prettyMessage,
};
