import { InvalidArgumentError } from "commander";
import { isName, maxTimerMs, unusable } from "mcp-tunnel-protocol";
import { durationForm, parseBytes, parseDuration } from "mcp-tunnel-shared";
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

/** A duration, in milliseconds: `90s`, `1.5m`, or `600` for seconds. */
export function readDurationMs(text: string): number {
  const durationMs = parseDuration(text);
  if (durationMs !== undefined && durationMs <= maxTimerMs) return durationMs;
  throw new InvalidArgumentError(`Expected ${durationForm}; at most 24 days.`);
}

/** The same, but above 0. */
export function readPositiveDurationMs(text: string): number {
  const durationMs = readDurationMs(text);
  if (durationMs > 0) return durationMs;
  throw new InvalidArgumentError("Expected a duration above 0.");
}

/**
 * Ports by name, of values `NAME=PORT`.
 * @throws TunnelError `invalid_option` for a value that is none, and for a name that comes twice.
 */
export function localPortsOf(values: readonly string[]): Record<string, number> {
  const ports = new Map<string, number>();
  for (const value of values) {
    const [, name = "", port = ""] = /^([^=]+)=([0-9]{1,5})$/.exec(value) ?? [];
    if (!isName(name.toLowerCase()) || Number(port) > 65_535) {
      throw unusable(`the local port '${value}' is not a tunnel's name and a port, such as myapp=4001`, {
        options: ["local-port"],
      });
    }
    if (ports.has(name.toLowerCase()))
      throw unusable(`'${name}' has two local ports`, { options: ["local-port"] });
    ports.set(name.toLowerCase(), Number(port));
  }
  return Object.fromEntries(ports);
}

/** For options that may be given several times. */
export function collect(text: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), text];
}
