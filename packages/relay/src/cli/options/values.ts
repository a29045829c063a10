import { InvalidArgumentError } from "commander";
import { maxTimerMs } from "mcp-tunnel-protocol";
import { parseBytes } from "mcp-tunnel-shared";
import type { HostPort } from "../../net/host-port.js";

/** Readers of option values. Each throws an InvalidArgumentError that says what is expected. */

export function readPort(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new InvalidArgumentError("Expected a port from 0 to 65535.");
}

/** An address with its port: `127.0.0.1:9090`, `[::1]:9090` or `localhost:9090`. */
export function readHostPort(text: string): HostPort {
  const [, bracketed, name, port] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):([0-9]{1,5})$/i.exec(text) ?? [];
  const host = bracketed ?? name;
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new InvalidArgumentError("Expected an address and a port, such as 127.0.0.1:9090 or [::1]:9090.");
}

/** A whole number. */
export function readCount(text: string): number {
  const count = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(count)) return count;
  throw new InvalidArgumentError("Expected a whole number.");
}

/** A number of bytes: `5242880` or `5MiB`. */
export function readBytes(text: string): number {
  const bytes = parseBytes(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError("Expected a number of bytes, such as 5242880 or 5MiB.");
}

const unitMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A duration, in milliseconds: `600` (seconds), `90s`, `10m`, `1h`, `500ms`. */
export function readDurationMs(text: string): number {
  const match = /^([0-9]{1,10})(ms|s|m|h)?$/.exec(text);
  const durationMs = Number(match?.[1]) * (unitMs[match?.[2] ?? "s"] as number);
  if (durationMs <= maxTimerMs) return durationMs;
  throw new InvalidArgumentError(
    "Expected a duration, such as 600 (seconds), 90s, 10m or 1h; at most 24 days.",
  );
}

/** The same, but not nothing. */
export function readPositiveDurationMs(text: string): number {
  const durationMs = readDurationMs(text);
  if (durationMs > 0) return durationMs;
  throw new InvalidArgumentError("Expected a duration above 0.");
}

/** For options that may be given several times. */
export function collect(text: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), text];
}
