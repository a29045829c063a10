import { once } from "node:events";
import { createServer } from "node:http";
import { type AdminOptions, checkAdminAccess } from "./admin-options.js";
import type { Metrics } from "./metrics.js";
import { AdminRequests } from "./requests.js";
import { type AdminSource, relaySource } from "./source.js";
import { listen } from "../net/listen.js";
import type { Relay } from "../relay.js";

/**
 * The operator's listener: health, metrics, the tunnels, the tokens and the dashboard. It is apart from the
 * visitors', so that none of it is public.
 */
export interface AdminServer {
  /** @throws TunnelError `unavailable` when the port is not available. */
  listen(): Promise<{ host: string; port: number }>;
  /** Ends all connections. */
  close(): Promise<void>;
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
  const admin = new AdminRequests(source, options);
  const server = createServer({
    maxHeaderSize: 8_192,
    headersTimeout: 10_000,
    requestTimeout: 10_000,
    // Fields that come twice are seen as such, and not half of them.
    joinDuplicateHeaders: true,
  });
  server.on("request", (req, res) => void admin.answer(req, res));
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
