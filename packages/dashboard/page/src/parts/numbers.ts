import { bytesText } from "mcp-tunnel-page/format.ts";

/** `0`, `0.4`, `12`, `1,204`. */
export function rateText(perSecond: number): string {
  if (perSecond === 0) return "0";
  if (perSecond < 0.05) return "<0.1";
  if (perSecond < 9.95) return perSecond.toFixed(1);
  return Math.round(perSecond).toLocaleString("en");
}

/** `1.2 MiB/s` */
export function byteRateText(perSecond: number): string {
  return `${bytesText(Math.round(perSecond))}/s`;
}
