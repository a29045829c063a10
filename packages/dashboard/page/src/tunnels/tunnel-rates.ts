import type { TunnelRow } from "../../../src/model.ts";

/** What passes through one tunnel in a second. */
export interface TunnelRate {
  readonly requests: number;
  readonly bytes: number;
}

/** A tunnel among all: members of a pool have one name. */
export function keyOf({ name, relay, since, address }: TunnelRow): string {
  return `${name} ${relay ?? ""} ${since} ${address}`;
}

export const bytesOf = ({ requestBytes, responseBytes }: TunnelRow): number => requestBytes + responseBytes;

interface Seen {
  readonly at: number;
  readonly requests: number;
  readonly bytes: number;
  readonly rate: TunnelRate | undefined;
}

/** Rates of the tunnels of a list, from one answer to the next. Times are in milliseconds. */
export class TunnelRates {
  #seen: ReadonlyMap<string, Seen> = new Map();

  /** `at`: when the answer came. Tunnels that are not in it are forgotten. */
  take(tunnels: readonly TunnelRow[], at: number): void {
    this.#seen = new Map(
      tunnels.map((tunnel) => {
        const key = keyOf(tunnel);
        const { requests } = tunnel;
        const bytes = bytesOf(tunnel);
        const before = this.#seen.get(key);
        const seconds = before === undefined ? 0 : (at - before.at) / 1_000;
        const rate =
          before === undefined || seconds <= 0
            ? before?.rate
            : {
                requests: Math.max(0, requests - before.requests) / seconds,
                bytes: Math.max(0, bytes - before.bytes) / seconds,
              };
        return [key, { at, requests, bytes, rate }];
      }),
    );
  }

  /** Undefined for a tunnel that was in one answer only. */
  of(tunnel: TunnelRow): TunnelRate | undefined {
    return this.#seen.get(keyOf(tunnel))?.rate;
  }
}
