import { pino } from "pino";
import { printable, printableLines } from "mcp-tunnel-shared";
import { prettyFactory } from "pino-pretty";
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

/** Takes the lines of the log, each with its end. */
export interface LogOutput {
  write(line: string): void;
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
