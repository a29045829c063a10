import { durationText } from "mcp-tunnel-page/format.ts";

const dayMs = 86_400_000;

/** `2027-01-31 18:00`, in the time of this machine. */
export function dateText(at: number): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** A time that may be long: `12 s`, `3 min`, `5 h 12 min`, `3 days`. */
export function longText(ms: number): string {
  if (ms < 60_000) return `${Math.max(0, Math.floor(ms / 1_000))} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 2 * dayMs) return durationText(Math.floor(ms / 60_000) * 60_000);
  return `${Math.floor(ms / dayMs).toLocaleString("en")} days`;
}

/** When something ends, seen from now: `in 3 days`, `2 h 4 min ago`. */
export function untilText(at: number, now: number): string {
  return at > now ? `in ${longText(at - now)}` : `${longText(now - at)} ago`;
}
