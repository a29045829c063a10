import { printable, printableLines } from "mcp-tunnel-shared";
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

/** The numbers that pino's lines have for the levels, which tools for such lines know. */
const levelNumbers: Readonly<Record<LogLevel, number>> = {
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  silent: Number.POSITIVE_INFINITY,
};

/**
 * A logger whose lines have the shape of pino's. pino itself would take a tenth of the relay's start.
 * Whatever strangers put into the fields, an entry is one line and holds nothing that a terminal obeys.
 */
export async function createLogger(output: LogOutput, format: LogFormat, least: LogLevel): Promise<Logger> {
  const toText = format === "pretty" ? await prettyText() : printableLines;
  const writer = (level: keyof Logger): Logger[keyof Logger] => {
    const number = levelNumbers[level];
    if (number < levelNumbers[least]) return () => {};
    return (fields, message) => output.write(toText(rawLine(level, fields, message)));
  };
  return { debug: writer("debug"), info: writer("info"), warn: writer("warn"), error: writer("error") };
}

function rawLine(level: keyof Logger, fields: object, message: string): string {
  const line = { level: levelNumbers[level], time: isoTime(Date.now()), ...fields, msg: message };
  return `${JSON.stringify(line)}\n`;
}

/** A line of the log as JSON, for what has to be said without a logger. */
export function jsonLine(level: keyof Logger, fields: object, message: string): string {
  return printableLines(rawLine(level, fields, message));
}

/** Escapes the fields before the colours come in, because a terminal is to obey those. */
async function prettyText(): Promise<(line: string) => string> {
  const { prettyFactory } = await import("pino-pretty");
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
