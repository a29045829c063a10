import { pino } from "pino";
import { printable, printableLines } from "mcp-tunnel-shared";
import { prettyFactory } from "pino-pretty";
import { isoTime, type LogFormat, type Logger, type LogLevel } from "../../telemetry/log.js";
import { formatHostPort } from "../../net/host-port.js";

/** The fields that messages show already. */
const shownFields =
  "method,path,status,bytes,requestBytes,durationMs,outcome,reason,command,address,wire,requestId,visitorRequestId";

/** Requests and listeners read as sentences. In other lines name, reason, command and address follow. */
function prettyMessage(line: Record<string, unknown>, messageKey: string): string {
  const { name, method, path, status, bytes, durationMs, outcome, reason, command, address, host, port } =
    line as Record<string, string | number | undefined>;
  const message = line[messageKey] as string;
  if (host !== undefined && port !== undefined) {
    return `${message} on ${formatHostPort({ host: String(host), port: Number(port) })}`;
  }
  if (method === undefined) {
    const details = [name, reason, command, address].filter((detail) => detail !== undefined);
    return details.length === 0 ? message : `${message}: ${details.join(", ")}`;
  }
  const end = outcome === "completed" ? "" : `, ${outcome}${reason === undefined ? "" : ` (${reason})`}`;
  return `${name ?? "-"} ${method} ${path} ${status ?? "-"} ${bytes} B ${durationMs} ms from ${address}${end}`;
}

/** Takes the lines of the log, each with its newline. */
export interface LogOutput {
  write(line: string): void;
}

/**
 * A logger. Whatever strangers put into the fields, an entry is one line and holds nothing that a terminal
 * obeys.
 */
export function createLogger(output: LogOutput, format: LogFormat, level: LogLevel): Logger {
  const toText = format === "pretty" ? prettyText() : printableLines;
  return pino(
    { level, base: null, timestamp: () => `,"time":"${isoTime(Date.now())}"` },
    { write: (line: string) => output.write(toText(line)) },
  );
}

/** Escapes the fields before the colours come in, because a terminal is to obey those. */
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
  ignore: `pid,hostname,name,host,port,${shownFields}`,
  messageFormat: prettyMessage,
};
