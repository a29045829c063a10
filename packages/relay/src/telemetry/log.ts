import { objectWith } from "mcp-tunnel-protocol";

/**
 * The methods of a logger that the relay needs. A pino logger fits. Fields come first, then a constant
 * message. Fields may hold a stranger's words, so a logger that writes where a terminal may show them has to
 * escape control characters.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const loggerShape = objectWith<Logger>(["debug", "info", "warn", "error"]);

/** The logger of a relay that was given none. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export const logFormats = ["pretty", "json"] as const;
export type LogFormat = (typeof logFormats)[number];
export const accessLogFormats = [...logFormats, "combined", "off"] as const;
export type AccessLogFormat = (typeof accessLogFormats)[number];
export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

let lastMs = 0;
let lastIso = "";

/** A time in ISO 8601. The text is built once for all lines of the same millisecond. */
export function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastIso = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastIso;
}
