import type { Socket } from "node:net";
import type { Link } from "mcp-tunnel-protocol";

/** The links of clients that are connected to one relay while another one has their sessions. */
export class Splices {
  readonly #links = new Set<Link>();

  add(link: Link, socket: Socket): void {
    this.#links.add(link);
    socket.once("close", () => this.#links.delete(link));
  }

  get size(): number {
    return this.#links.size;
  }

  /** Their clients come back through another relay. */
  cut(): void {
    for (const link of this.#links) link.terminate();
  }
}
