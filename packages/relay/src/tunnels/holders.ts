import type { ClientIdentity } from "mcp-tunnel-cluster/relay";
import { meet } from "mcp-tunnel-protocol";
import type { Tunnel } from "./tunnel.js";

/** The tunnels of this relay that hold their names: one for each name, or the members of a pool. */
export class Holders {
  /** Most names have one, and there may be very many names. */
  readonly #names = new Map<string, Tunnel | readonly Tunnel[]>();

  of(name: string): readonly Tunnel[] {
    const held = this.#names.get(name);
    if (held === undefined) return none;
    return "length" in held ? held : [held];
  }

  /** The holder of `name` that belongs to `client`. */
  ofClient(name: string, client: ClientIdentity): Tunnel | undefined {
    return this.of(name).find((holder) => holder.isOfClient(client));
  }

  /** The tunnel has its name now, alone or with the others of its pool. */
  add(tunnel: Tunnel): void {
    const { name, info } = tunnel;
    const fellows = this.of(name).filter((holder) => meet(holder.info, info) === "fellow");
    this.#names.set(name, fellows.length === 0 ? tunnel : [...fellows, tunnel]);
  }

  delete(tunnel: Tunnel): void {
    const holders = this.of(tunnel.name);
    if (!holders.includes(tunnel)) return;
    if (holders.length === 1) this.#names.delete(tunnel.name);
    else
      this.#names.set(
        tunnel.name,
        holders.filter((holder) => holder !== tunnel),
      );
  }
}

const none: readonly Tunnel[] = [];
