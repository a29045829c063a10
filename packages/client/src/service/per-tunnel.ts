import type { ServedTunnel } from "./service.js";

/**
 * Values that a service makes once for each tunnel. A client has one tunnel at a time, or a few while it
 * moves.
 */
export class PerTunnel<Made> {
  readonly #make: (tunnel: ServedTunnel) => Made;
  readonly #all = new WeakMap<ServedTunnel, Made>();
  #newest: { readonly tunnel: ServedTunnel; readonly made: Made } | undefined;

  constructor(make: (tunnel: ServedTunnel) => Made) {
    this.#make = make;
  }

  of(tunnel: ServedTunnel): Made {
    if (this.#newest?.tunnel !== tunnel) this.#newest = { tunnel, made: this.#known(tunnel) };
    return this.#newest.made;
  }

  #known(tunnel: ServedTunnel): Made {
    const known = this.#all.get(tunnel);
    if (known !== undefined) return known;
    const made = this.#make(tunnel);
    this.#all.set(tunnel, made);
    return made;
  }
}
