import { type Answer, ApiProblem } from "mcp-tunnel-shared/page";
import { ToldProblem } from "./problem.js";
import { sendJson } from "./send.js";
import type { AdminSource, FoundTunnels } from "./source.js";
import { listed, readListQuery } from "./tunnel-list.js";

/**
 * `/api/tunnels` of the admin API. In a cluster it is about the tunnels of all relays, whichever of them is
 * asked. With the query `scope=local` it is about those of the relay itself.
 */
export class TunnelsApi {
  readonly #source: AdminSource;

  constructor(source: AdminSource) {
    this.#source = source;
  }

  readonly answerAll: Answer = async ({ res, query }) => {
    const wanted = readListQuery(query);
    const found = await this.#find(query);
    const relay = await this.#source.state();
    sendJson(res, { relay, ...found, ...(wanted === undefined ? {} : listed(found.tunnels, wanted)) });
  };

  /** The tunnel that has the name, or the last one that left it. */
  readonly answerOne: Answer = async ({ res, query, args: [name = ""] }) => {
    const found = await this.#find(query);
    // Of several tunnels of one relay the last one has the name, if any has it.
    const tunnels = found.tunnels.filter((candidate) => candidate.name === name);
    const tunnel = tunnels.findLast(({ state }) => state !== "leaving") ?? tunnels.at(-1);
    if (tunnel === undefined) throw await this.#noTunnel(name, found.silent);
    sendJson(res, tunnel);
  };

  readonly disconnect: Answer = async ({ res, args: [name = ""] }) => {
    const { found, ...where } = await this.#source.disconnect(name);
    if (!found) throw await this.#noTunnel(name, where.silent);
    sendJson(res, { disconnected: name, ...where });
  };

  /** @throws ApiProblem for a scope that there is not. */
  async #find(query: URLSearchParams): Promise<FoundTunnels> {
    const scope = query.get("scope");
    if (scope !== null && scope !== "local") {
      const message = "the scope is local, for the tunnels of this relay alone, or is left out";
      throw new ApiProblem(400, "bad_request", message);
    }
    return await this.#source.tunnels(scope ?? "all");
  }

  /** A relay that is silent may have the tunnel all the same. */
  async #noTunnel(name: string, silent: readonly string[] = []): Promise<ApiProblem> {
    const none = `no tunnel is called '${name.slice(0, 63)}'`;
    if (silent.length === 0) return new ApiProblem(404, "not_found", none);
    const { addresses = {} } = await this.#source.state();
    const names = silent.map((node) => addresses[node] ?? node).join(", ");
    const message = `${none} at the relays that answered; these did not: ${names}`;
    return new ToldProblem(404, "not_found", message, { silent });
  }
}
