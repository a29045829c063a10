import type { NodeInfo } from "../engine/engine.js";
import type { Peers } from "../peers/peers.js";

/**
 * The relays with which this one is linked: those that are alive, as the engine says, and those that have
 * only lost the engine. They still serve their tunnels, so they are not gone before their links are.
 */
export class Neighbours {
  /** As the engine said last. */
  #alive: readonly NodeInfo[] = [];
  /** This relay among them. */
  #nodes: readonly NodeInfo[] = [];
  readonly #node: string;
  readonly #peers: Pick<Peers, "get" | "setNodes">;
  readonly #onChange: () => void;

  /** `node`: this relay. `onChange` is called when relays have come or gone. */
  constructor(node: string, peers: Pick<Peers, "get" | "setNodes">, onChange: () => void) {
    this.#node = node;
    this.#peers = peers;
    this.#onChange = onChange;
  }

  /** This relay among them. */
  get nodes(): readonly NodeInfo[] {
    return this.#nodes;
  }

  /** The ids of the others. */
  get others(): readonly string[] {
    return this.#nodes.map(({ id }) => id).filter((id) => id !== this.#node);
  }

  /** `nodes`: all that are alive. */
  set(nodes: readonly NodeInfo[]): void {
    this.#alive = nodes;
    this.#relink();
  }

  /** The link to a relay has come or gone. */
  onLink(node: string): void {
    // In a turn of its own: it may be the links that call, and they are told to give one up.
    if (!this.#alive.some(({ id }) => id === node)) queueMicrotask(() => this.#relink());
  }

  #relink(): void {
    const before = new Set(this.#nodes.map(({ id }) => id));
    const alive = new Set(this.#alive.map(({ id }) => id));
    const reached = this.#nodes.filter(
      ({ id }) => !alive.has(id) && this.#peers.get(id)?.session !== undefined,
    );
    this.#nodes = [...this.#alive, ...reached];
    if (before.size === this.#nodes.length && this.#nodes.every(({ id }) => before.has(id))) return;
    this.#peers.setNodes(this.#nodes.filter(({ id }) => id !== this.#node));
    this.#onChange();
  }
}
