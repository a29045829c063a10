import type { ServerResponse } from "node:http";
import type { Relay } from "../relay.js";
import type { TunnelStatus } from "../tunnels/status.js";
import { send } from "./send.js";

/** Tunnels, and in a cluster the relay of each and the relays that did not answer. */
interface Found {
  readonly tunnels: readonly (TunnelStatus & { relay?: string })[];
  readonly silent?: readonly string[];
}

/**
 * `/api/tunnels` of the admin API. In a cluster it is about the tunnels of all relays, whichever of them is
 * asked. With the query `scope=local` it is about those of the relay itself.
 */
export class TunnelsApi {
  readonly #relay: Relay;
  readonly #version: string;
  readonly #startedAt = Date.now();

  constructor(relay: Relay, version: string) {
    this.#relay = relay;
    this.#version = version;
  }

  async answerAll(res: ServerResponse, query: string | undefined): Promise<void> {
    const found = await this.#find(query);
    if (found === undefined) return sendScopes(res);
    const { cluster, draining, stale, localPorts } = this.#relay;
    send(res, 200, {
      relay: {
        version: this.#version,
        ...(cluster === undefined ? {} : { node: cluster.node }),
        startedAt: this.#startedAt,
        draining,
        stale,
        localPorts: Object.fromEntries(localPorts),
      },
      ...found,
    });
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
    const { cluster } = this.#relay;
    if (cluster === undefined) {
      if (this.#relay.disconnect(name)) send(res, 200, { disconnected: name });
      else sendNone(res, name);
      return;
    }
    const { relays, silent } = await cluster.disconnect(name);
    if (relays.length === 0) sendNone(res, name, silent);
    else send(res, 200, { disconnected: name, relays, silent });
  }

  /** `undefined` for a scope that there is not. */
  async #find(query: string | undefined): Promise<Found | undefined> {
    const scope = new URLSearchParams(query).get("scope");
    if (scope !== null && scope !== "local") return undefined;
    const { cluster } = this.#relay;
    if (cluster === undefined) return { tunnels: this.#relay.tunnels() };
    if (scope === null) return await cluster.tunnels();
    return { tunnels: this.#relay.tunnels().map((row) => ({ ...row, relay: cluster.node })), silent: [] };
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
