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

let lastSecond = Number.NaN;
let upToSecond = "";

/**
 * A time in ISO 8601. `ms`: a whole number. All but the milliseconds is built once for all lines of a second.
 */
export function isoTime(ms: number): string {
  const second = Math.floor(ms / 1_000);
  if (second !== lastSecond) {
    upToSecond = new Date(ms).toISOString().slice(0, -4);
    lastSecond = second;
  }
  return `${upToSecond}${String(ms - second * 1_000).padStart(3, "0")}Z`;
}
