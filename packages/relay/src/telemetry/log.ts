export { loggerShape, silentLogger } from "mcp-tunnel-protocol";
export type { Logger } from "mcp-tunnel-protocol";

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
