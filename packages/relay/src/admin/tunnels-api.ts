import type { ServerResponse } from "node:http";
import { send } from "./send.js";
import type { AdminSource, FoundTunnels } from "./source.js";

/**
 * `/api/tunnels` of the admin API. In a cluster it is about the tunnels of all relays, whichever of them is
 * asked. With the query `scope=local` it is about those of the relay itself.
 */
export class TunnelsApi {
  readonly #source: AdminSource;

  constructor(source: AdminSource) {
    this.#source = source;
  }

  async answerAll(res: ServerResponse, query: string | undefined): Promise<void> {
    const found = await this.#find(query);
    if (found === undefined) return sendScopes(res);
    send(res, 200, { relay: await this.#source.state(), ...found });
  }

  /** The tunnel that has the name, or the last one that left it. */
  async answerOne(res: ServerResponse, query: string | undefined, name: string): Promise<void> {
    const found = await this.#find(query);
    if (found === undefined) return sendScopes(res);
    // Of several tunnels of one relay the last one has the name, if any has it.
    const tunnels = found.tunnels.filter((candidate) => candidate.name === name);
    const tunnel = tunnels.findLast(({ state }) => state !== "leaving") ?? tunnels.at(-1);
    if (tunnel === undefined) sendNone(res, name, found.silent);
    else send(res, 200, tunnel);
  }

  async disconnect(res: ServerResponse, name: string): Promise<void> {
    const { found, ...where } = await this.#source.disconnect(name);
    if (found) send(res, 200, { disconnected: name, ...where });
    else sendNone(res, name, where.silent);
  }

  /** `undefined` for a scope that there is not. */
  async #find(query: string | undefined): Promise<FoundTunnels | undefined> {
    const scope = new URLSearchParams(query).get("scope");
    if (scope !== null && scope !== "local") return undefined;
    return await this.#source.tunnels(scope ?? "all");
  }
}

function sendScopes(res: ServerResponse): void {
  send(res, 400, { error: "the scope is local, for the tunnels of this relay alone, or is left out" });
}

/** A relay that is silent may have the tunnel all the same. */
function sendNone(res: ServerResponse, name: string, silent: readonly string[] = []): void {
  const none = `no tunnel is called '${name.slice(0, 63)}'`;
  if (silent.length === 0) return send(res, 404, { error: none });
  const error = `${none} at the relays that answered; these did not: ${silent.join(", ")}`;
  send(res, 404, { error, silent });
}
