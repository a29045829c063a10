import type { Tunnel } from "./tunnel.js";

/** Which tunnel holds a name. */
export interface TunnelRegistry {
  /** Makes `tunnel` the holder of its name and returns the one that held it until now. */
  claim(tunnel: Tunnel): Tunnel | undefined;
  /**
   * Frees the name, if `tunnel` still holds it: the clean-up of a tunnel that was evicted runs after its
   * successor has taken the name, and must not take it away again.
   */
  release(tunnel: Tunnel): void;
  find(name: string): Tunnel | undefined;
}

/** The registry of a relay that is alone. */
export class MemoryRegistry implements TunnelRegistry {
  readonly #tunnels = new Map<string, Tunnel>();

  claim(tunnel: Tunnel): Tunnel | undefined {
    const previous = this.#tunnels.get(tunnel.name);
    this.#tunnels.set(tunnel.name, tunnel);
    return previous;
  }

  release(tunnel: Tunnel): void {
    if (this.#tunnels.get(tunnel.name) === tunnel) this.#tunnels.delete(tunnel.name);
  }

  find(name: string): Tunnel | undefined {
    return this.#tunnels.get(name);
  }
}
