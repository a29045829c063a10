import { objectWith } from "mcp-tunnel-protocol";

/**
 * What the relay needs of a logger; a pino one fits. Fields first, then a constant message. What fields say may be a stranger's
 * words: what writes them where a terminal may read them has to escape control characters.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const loggerShape = objectWith<Logger>(["debug", "info", "warn", "error"]);

/** For a relay that was given no logger. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export const logFormats = ["pretty", "json"] as const;
export type LogFormat = (typeof logFormats)[number];
export const accessLogFormats = [...logFormats, "combined", "off"] as const;
export type AccessLogFormat = (typeof accessLogFormats)[number];
export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

let lastMs = 0;
let lastIso = "";

/** A time in ISO 8601, spelled out once for all lines of a millisecond. */
export function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastIso = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastIso;
}
