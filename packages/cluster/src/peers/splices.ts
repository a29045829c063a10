import type { Socket } from "node:net";
import type { Link } from "mcp-tunnel-protocol";

/** The links of clients of this relay whose sessions other relays have. */
export class Splices {
  readonly #links = new Set<Link>();

  add(link: Link, socket: Socket): void {
    this.#links.add(link);
    socket.once("close", () => this.#links.delete(link));
  }

  /** Their clients come back through another relay. */
  cut(): void {
    for (const link of this.#links) link.terminate();
  }
}
