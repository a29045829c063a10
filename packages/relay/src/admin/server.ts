import { hash, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { unusable } from "mcp-tunnel-protocol";
import { isLoopbackAddress } from "mcp-tunnel-shared";
import type { Metrics } from "./metrics.js";
import { send } from "./send.js";
import { type AdminSource, relaySource } from "./source.js";
import { TunnelsApi } from "./tunnels-api.js";
import { listen } from "../net/listen.js";
import type { Relay } from "../relay.js";

export interface AdminOptions {
  /** An IP address or a name of this machine. */
  host: string;
  /** 0 takes any free one. */
  port: number;
  /** The secret that `Authorization: Bearer` has to carry. Required when `host` is not a loopback address. */
  secret?: string | undefined;
}

/**
 * The operator's listener: health, metrics, the tunnels. It is apart from the visitors', so that none of it
 * is public.
 */
export interface AdminServer {
  /** @throws TunnelError `unavailable` when the port is not available. */
  listen(): Promise<{ host: string; port: number }>;
  close(): Promise<void>;
}

/** @throws TunnelError `invalid_option` when other machines could reach `host` without a secret. */
export function checkAdminAccess(host: string, secret: string | undefined): void {
  if (secret !== undefined || isOwn(host)) return;
  throw unusable(
    `--admin-listen ${host} can be reached from outside this machine: set --admin-secret-file or --admin-secret`,
    { options: ["admin-listen", "admin-secret-file", "admin-secret"] },
  );
}

/**
 * The listener of the relay in this process. `version` is shown in the status.
 * @throws TunnelError `invalid_option` as {@link checkAdminAccess}.
 */
export function createAdminServer(
  relay: Relay,
  { metrics, version, ...options }: AdminOptions & { metrics: Metrics; version: string },
): AdminServer {
  return createAdminListener(relaySource(relay, metrics, version), options);
}

/** @throws TunnelError `invalid_option` as {@link checkAdminAccess}. */
export function createAdminListener(source: AdminSource, options: AdminOptions): AdminServer {
  checkAdminAccess(options.host, options.secret);
  const admin = new AdminRequests(source, options.secret);
  const server = createServer({ maxHeaderSize: 8_192, headersTimeout: 10_000, requestTimeout: 10_000 });
  server.on("request", (req, res) => {
    admin.answer(req, res).catch((error: unknown) => {
      if (!res.headersSent) send(res, 500, { error: String(error) });
      else res.destroy();
    });
  });
  // A peer that takes no answer, or says nothing, loses its connection after this time.
  server.timeout = 30_000;
  // Nothing listens for upgrades, so Node takes them for ordinary requests.
  return {
    listen: () => listen(server, options, "admin port"),
    async close() {
      source.close();
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * Whether `host` means this machine to all programs. A name below `localhost` does so to browsers only. To
 * other programs it means what their resolver says.
 */
function isOwn(host: string): boolean {
  return host === "localhost" || isLoopbackAddress(host);
}

class AdminRequests {
  readonly #source: AdminSource;
  readonly #secretDigest: Buffer | undefined;
  readonly #tunnels: TunnelsApi;

  constructor(source: AdminSource, secret: string | undefined) {
    this.#source = source;
    this.#tunnels = new TunnelsApi(source);
    this.#secretDigest = secret === undefined ? undefined : sha256(secret);
  }

  async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const [path, query] = (req.url ?? "/").split("?", 2) as [string, string?];
    // A health check has no secret, and learns nothing else.
    if (path === "/healthz") return this.#get(req, res, () => send(res, 200, { status: "ok" }));
    if (path === "/readyz") {
      return await this.#get(req, res, () => this.#readiness(res));
    }
    const refused = this.#refusal(req);
    if (refused !== undefined) return send(res, refused.status, { error: refused.error });
    if (path === "/metrics") return this.#metrics(req, res);
    if (path === "/api/tunnels") {
      return await this.#get(req, res, () => this.#tunnels.answerAll(res, query));
    }
    if (path.startsWith("/api/tunnels/")) {
      const name = path.slice("/api/tunnels/".length);
      if (req.method === "DELETE") return await this.#tunnels.disconnect(res, name);
      return await this.#get(req, res, () => this.#tunnels.answerOne(res, query, name), "DELETE");
    }
    send(res, 404, { error: "no such path; there are /healthz, /readyz, /metrics and /api/tunnels" });
  }

  /** Why this request may not be answered; `undefined` when it may. */
  #refusal(req: IncomingMessage): { status: number; error: string } | undefined {
    if (this.#secretDigest !== undefined) {
      const [, given] = /^Bearer +([^ ].*)$/i.exec(req.headers.authorization ?? "") ?? [];
      // Digests have one length, so that the comparison takes the same time whatever is given.
      if (given !== undefined && timingSafeEqual(sha256(given), this.#secretDigest)) return undefined;
      return { status: 401, error: "needs 'Authorization: Bearer SECRET' with the relay's --admin-secret" };
    }
    // All users of this machine are let in, but not web pages in its browsers. A page whose name was made to
    // point here (DNS rebinding) sends its own name as Host. Any other page sends its Origin or, for
    // something that it embeds or links to and cannot read, its relation to this site in Sec-Fetch-Site. For
    // a person who types the address this relation is `none`.
    if (!this.#isOwnName(req.headers.host ?? "")) {
      return { status: 403, error: "the Host is not a name of this listener" };
    }
    const site = req.headers["sec-fetch-site"];
    const isFromPage = req.headers.origin !== undefined || (site !== undefined && site !== "none");
    return isFromPage ? { status: 403, error: "not for web pages" } : undefined;
  }

  #isOwnName(host: string): boolean {
    const [, name = ""] = /^(\[[^\]]*\]|[^:]*)(?::[0-9]+)?$/.exec(host) ?? [];
    return isOwn(name.toLowerCase());
  }

  /** `others`: methods besides GET that the path knows. */
  async #get(
    req: IncomingMessage,
    res: ServerResponse,
    answer: () => void | Promise<void>,
    ...others: string[]
  ): Promise<void> {
    if (req.method === "GET" || req.method === "HEAD") return await answer();
    const known = ["GET", ...others].join(" and ");
    send(res, 405, { error: `only ${known} is known here` }, { Allow: ["GET, HEAD", ...others].join(", ") });
  }

  async #metrics(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const text = await this.#source.metrics();
    await this.#get(req, res, () => {
      res.writeHead(200, { "Content-Type": this.#source.metricsType, "Cache-Control": "no-store" });
      res.end(text);
    });
  }

  /**
   * The answer does not say which files are stale, and why, because only a holder of the secret may know
   * that.
   */
  async #readiness(res: ServerResponse): Promise<void> {
    const [unreadiness, { stale }] = await Promise.all([this.#source.unreadiness(), this.#source.state()]);
    const kinds = [...new Set(stale.map(({ kind }) => kind))];
    send(res, unreadiness === undefined ? 200 : 503, {
      status: unreadiness ?? "ready",
      ...(kinds.length === 0 ? {} : { stale: kinds }),
    });
  }
}

const sha256 = (text: string): Buffer => hash("sha256", text, "buffer");
