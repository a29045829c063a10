import type { ServerResponse } from "node:http";
import { files } from "#page";
import { type ApiRequest, FakeServer, sendJson } from "../../../page/test/support/fake-server.js";
import type { Overview, SortKey, TokenChange, TokenFields, TokenRow, TunnelRow } from "../../src/model.js";
import { overviewOf } from "./fixtures.js";

/** What the relay says of itself. A test changes it as it goes. */
export interface World {
  /** Its `at` is the time of the answer. */
  overview: Overview;
  tunnels: TunnelRow[];
  tokens: TokenRow[];
  /** Relays that do not answer. */
  silent: string[];
}

/** Serves the built page, and the admin API of a relay that there is not. */
export class FakeRelay extends FakeServer {
  readonly world: World;
  /** The time of the relay, if it is not that of this machine. */
  now: () => number = Date.now;
  /** A relay that was started without a secret. */
  hasSecret = true;
  #drawn = 0;

  static async start(world: Partial<World> = {}): Promise<FakeRelay> {
    return await new FakeRelay(world).listen();
  }

  private constructor(world: Partial<World>) {
    super(files);
    this.world = { overview: overviewOf(), tunnels: [], tokens: [], silent: [], ...world };
  }

  protected override refuse(res: ServerResponse): void {
    if (this.hasSecret) sendProblem(res, 401, "no_secret", "needs the relay's --admin-secret");
    else sendProblem(res, 403, "secret_required", "the relay has no admin secret");
  }

  protected override answer(
    { method, body }: ApiRequest,
    path: string,
    query: URLSearchParams,
    res: ServerResponse,
  ): void {
    const [kind = "", id, action] = path.split("/").map(decodeURIComponent);
    const { world } = this;
    if (kind === "overview") sendJson(res, { ...world.overview, at: this.now() });
    else if (kind === "tunnels" && id === undefined) this.#list(query, res);
    else if (kind === "tunnels" && id !== undefined && method === "DELETE") this.#disconnect(id, res);
    else if (kind === "tunnels")
      this.#find(
        world.tunnels.findLast(({ name }) => name === id),
        res,
      );
    else if (kind !== "tokens") sendProblem(res, 404, "not_found", "no such path");
    else if (world.overview.tokens !== "file")
      sendProblem(res, 409, "no_token_file", "there is no token file");
    else if (id === undefined && method === "POST") {
      const created = { id: this.#draw(), ...(JSON.parse(body) as TokenFields), tunnels: 0 };
      if (this.#isRefused(created, res)) return;
      world.tokens.push(created);
      sendJson(res, { id: created.id, token: `mtt_${created.id}` }, 201);
    } else if (id === undefined) sendJson(res, { tokens: world.tokens });
    else if (method === "PATCH") this.#change(id, JSON.parse(body) as TokenChange, res);
    else if (action === "rotate") {
      const drawn = this.#draw();
      world.tokens = world.tokens.map((token) => (token.id === id ? { ...token, id: drawn } : token));
      sendJson(res, { id: drawn, token: `mtt_${drawn}` });
    } else {
      world.tokens = world.tokens.filter((token) => token.id !== id);
      sendJson(res, { revoked: id });
    }
  }

  #draw(): string {
    this.#drawn += 1;
    return `drawn${this.#drawn}`;
  }

  #list(query: URLSearchParams, res: ServerResponse): void {
    const { tunnels, overview, silent } = this.world;
    const text = (query.get("q") ?? "").toLowerCase();
    const matching = tunnels.filter(({ name, note = "", token = "", address }) =>
      `${name} ${note} ${token} ${address}`.toLowerCase().includes(text),
    );
    const key = (query.get("sort") ?? "name") as SortKey;
    const sign = query.get("order") === "desc" ? -1 : 1;
    const sorted = matching.toSorted((a, b) => {
      const [left, right] = [sortValues[key](a), sortValues[key](b)];
      return left === right ? 0 : left < right ? -sign : sign;
    });
    const offset = Number(query.get("offset") ?? 0);
    sendJson(res, {
      relay: overview.relay,
      tunnels: sorted.slice(offset, offset + Number(query.get("limit") ?? 200)),
      total: sorted.length,
      ...(silent.length > 0 && { silent }),
    });
  }

  #find(tunnel: TunnelRow | undefined, res: ServerResponse): void {
    if (tunnel === undefined) sendJson(res, { error: "no tunnel is called so" }, 404);
    else sendJson(res, tunnel);
  }

  #disconnect(name: string, res: ServerResponse): void {
    const { tunnels, silent } = this.world;
    this.world.tunnels = tunnels.filter((tunnel) => tunnel.name !== name);
    if (this.world.tunnels.length === tunnels.length) return this.#find(undefined, res);
    sendJson(res, { disconnected: name, ...(silent.length > 0 && { silent }) });
  }

  #change(id: string, change: TokenChange, res: ServerResponse): void {
    if (this.#isRefused(change, res)) return;
    this.world.tokens = this.world.tokens.map((token) => {
      if (token.id !== id) return token;
      const merged = Object.entries({ ...token, ...change }).filter(([, value]) => value !== null);
      return Object.fromEntries(merged) as unknown as TokenRow;
    });
    sendJson(res, {});
  }

  #isRefused({ subdomains }: TokenChange, res: ServerResponse): boolean {
    const wrong = subdomains?.find((name) => !/^[a-z0-9*-]+$/.test(name));
    if (wrong === undefined) return false;
    const error = `${wrong} is not a subdomain pattern`;
    sendJson(res, { error, code: "invalid_option", field: "subdomains" }, 422);
    return true;
  }
}

const sortValues: Readonly<Record<SortKey, (tunnel: TunnelRow) => string | number>> = {
  name: ({ name }) => name,
  since: ({ since }) => since,
  requests: ({ requests }) => requests,
  bytes: ({ requestBytes, responseBytes }) => requestBytes + responseBytes,
  rtt: ({ rttMs }) => rttMs ?? -1,
  streams: ({ streams }) => streams,
};

function sendProblem(res: ServerResponse, status: number, code: string, error: string): void {
  sendJson(res, { error, code }, status);
}
