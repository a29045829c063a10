import type { Refusal } from "mcp-tunnel-protocol";
import type { TunnelInfo } from "./tunnel.js";

/** How many ended tunnels have their refusals kept. Beyond that the oldest are forgotten first. */
const maxTunnels = 1_024;

/** How long they are kept, in milliseconds. */
const keptMs = 3_600_000;

/**
 * Refusals in the names of tunnels that were over before their clients heard of them: requests that waited in
 * vain for a client, or that were lost with its session. The same client is told when it registers anew.
 */
export class UntoldRefusals {
  /** In order of time. */
  readonly #kept = new Map<string, { refusals: readonly Refusal[]; until: number }>();

  keep(info: TunnelInfo, refusals: readonly Refusal[]): void {
    const key = keyOf(info);
    if (key === undefined || refusals.length === 0) return;
    const now = Date.now();
    this.#kept.delete(key);
    for (const [old, { until }] of this.#kept) {
      if (until > now && this.#kept.size < maxTunnels) break;
      this.#kept.delete(old);
    }
    this.#kept.set(key, { refusals, until: now + keptMs });
  }

  /** What the client of a new tunnel has missed. It is told once. */
  take(info: TunnelInfo): readonly Refusal[] {
    const key = keyOf(info);
    const found = key === undefined ? undefined : this.#kept.get(key);
    if (key === undefined || found === undefined) return [];
    this.#kept.delete(key);
    return found.until > Date.now() ? found.refusals : [];
  }
}

/**
 * The key of a client process, its token and the name. `undefined` if the client does not want to know of
 * refusals, or does not say which process it is.
 */
function keyOf({ takesRefusals, instance, owner, name }: TunnelInfo): string | undefined {
  return takesRefusals && instance !== undefined ? JSON.stringify([instance, owner, name]) : undefined;
}
