import type { IncomingMessage, ServerResponse } from "node:http";
import {
  type Answer,
  answerOf,
  guard,
  problemOf,
  type Route,
  routesWith,
  send,
} from "mcp-tunnel-shared/page";
import { AdminAccess, audienceOf } from "./access.js";
import type { AdminOptions } from "./admin-options.js";
import { answerAlive, answerReady } from "./health-api.js";
import { overviewOf } from "./overview.js";
import { AdminPage } from "./page.js";
import { refuse, sendJson } from "./send.js";
import type { AdminSource } from "./source.js";
import { tokenRoutes } from "./token-routes.js";
import { TunnelsApi } from "./tunnels-api.js";

const elsewhere =
  "no such path; there are /healthz, /readyz, /metrics, /api/overview, /api/tunnels and /api/tokens";

/** The digits of a token's id are those that `mcp-tunnel token list` shows. */
const route = routesWith({ NAME: "[^/]*", ID: "[0-9a-f]{12}" });

/** The answers of the listener. */
export class AdminRequests {
  readonly #access: AdminAccess;
  readonly #routes: readonly Route[];
  readonly #page = new AdminPage();

  /** @throws TunnelError `invalid_option` for a name in `hosts` that is none. */
  constructor(source: AdminSource, { secret, hosts = [], tokenFile }: AdminOptions) {
    this.#access = new AdminAccess(secret, hosts);
    const tunnels = new TunnelsApi(source);
    const overview: Answer = async ({ res }) => {
      sendJson(res, overviewOf(await source.facts(), tokenFile !== undefined));
    };
    const metrics: Answer = async ({ res }) => send(res, 200, source.metricsType, await source.metrics());
    this.#routes = [
      route("/healthz", { GET: answerAlive }),
      route("/readyz", { GET: (visit) => answerReady(source, visit) }),
      route("/metrics", { GET: metrics }),
      route("/api/overview", { GET: overview }),
      route("/api/tunnels", { GET: tunnels.answerAll }),
      route("/api/tunnels/NAME", { GET: tunnels.answerOne, DELETE: tunnels.disconnect }),
      ...tokenRoutes(route, source, tokenFile),
    ];
  }

  /** Never rejects. */
  async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    res.on("error", () => {});
    guard(req, res);
    const [path = ""] = (req.url ?? "").split("?", 1);
    const audience = audienceOf(path);
    try {
      const problem = this.#access.problem(req, audience);
      if (problem !== undefined) throw problem;
      if (audience === "page") await this.#page.answer(req, res);
      else await answerOf(this.#routes, req, elsewhere)(res);
    } catch (error) {
      refuse(req, res, problemOf(error, "the relay"), audience === "page");
    }
  }
}
