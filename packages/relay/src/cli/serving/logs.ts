import { LineOutput } from "mcp-tunnel-shared/command";
import { accessLog, combinedLog, jsonLog } from "../../telemetry/access-log.js";
import type { AccessLogFormat, LogFormat, Logger } from "../../telemetry/log.js";
import type { RelayObserver } from "../../telemetry/observer.js";
import type { CliOptions } from "../options/options.js";
import { createLogger } from "../output/log-output.js";

/** How long a line of the log may wait for others, in milliseconds. */
const gatherMs = 50;
/** How many characters of the log may wait for a reader. */
const maxWaitingLength = 4_194_304;

type WriteLine = (line: string) => void;

/** The logs of a process. */
export interface Logs {
  readonly format: LogFormat;
  readonly logger: Logger;
  /** The access log. A format that --access-log names is written whatever --log-level says. */
  readonly access: RelayObserver | undefined;
  /** All logs share it, so that no line is written inside another. */
  readonly output: LineOutput;
}

/** What a process that is one of several has to know of its logs. */
export interface WorkerLogs {
  readonly worker: number;
  /** Its own output is no terminal, whatever that of the first process is. */
  readonly format: LogFormat;
}

/** Opens the logs on the standard output. `share`: for a process that is one of several. */
export async function openLogs(
  options: Pick<CliOptions, "logFormat" | "logLevel" | "accessLog">,
  share?: WorkerLogs,
): Promise<Logs> {
  const format = share?.format ?? options.logFormat ?? (process.stdout.isTTY ? "pretty" : "json");
  const output: LineOutput = new LineOutput({
    gatherMs,
    maxWaitingLength,
    onLost(lines) {
      logger.warn({ lines }, "lines of the log are lost: nobody read them in time, or the disk was full");
    },
  });
  const lines = (of: AccessLogFormat): WriteLine =>
    share === undefined ? (line) => output.write(1, line) : labelled(output, of, share.worker);
  const logger = await createLogger({ write: lines(format) }, format, options.logLevel);
  return { format, logger, access: await accessLogOf(options, format, logger, lines), output };
}

/** Says in each line which process has written it, where that has a place. */
function labelled(output: LineOutput, format: AccessLogFormat, worker: number): WriteLine {
  switch (format) {
    case "json":
      return (line) => output.write(1, `{"worker":${worker},${line.slice(1)}`);
    case "pretty":
      return (line) => output.write(1, `${worker} ${line}`);
    // Apache's form has no place for it.
    default:
      return (line) => output.write(1, line);
  }
}

async function accessLogOf(
  { accessLog: asked, logLevel }: Pick<CliOptions, "logLevel" | "accessLog">,
  logFormat: LogFormat,
  logger: Logger,
  lines: (format: AccessLogFormat) => WriteLine,
): Promise<RelayObserver | undefined> {
  const isWritten = logLevel === "info" || logLevel === "debug";
  const format = asked ?? (isWritten ? logFormat : "off");
  switch (format) {
    case "off":
      return undefined;
    case "combined":
      return combinedLog(lines("combined"));
    case "json":
      return jsonLog(lines("json"));
    case "pretty":
      return accessLog(
        logFormat === "pretty" && isWritten
          ? logger
          : await createLogger({ write: lines("pretty") }, "pretty", "info"),
      );
  }
}
