import { InvalidArgumentError } from "commander";
import { isName, unusable } from "mcp-tunnel-protocol";
import { durationReader } from "mcp-tunnel-shared/command";
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

/** A duration, in milliseconds. */
export const readDurationMs = durationReader();

/** The same, but above 0. */
export const readPositiveDurationMs = durationReader({ leastMs: 1 });

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
