import { once } from "node:events";
import { createServer } from "node:http";
import { unusable } from "mcp-tunnel-protocol";
import { type AdminOptions, isOpenToOthers } from "./admin-options.js";
import type { Metrics } from "./metrics.js";
import { AdminRequests } from "./requests.js";
import { type AdminSource, relaySource } from "./source.js";
import { listen } from "../net/listen.js";
import type { Relay } from "../relay.js";
import { version as packageVersion } from "../version.js";

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
 * Makes the operator's listener of a relay in this process; nothing happens before its `listen`. `metrics`
 * are those whose observer the relay has. `version` is shown in the status; default is that of this package.
 * Close the listener after the relay, so that operators see the relay drain.
 * @throws TunnelError `invalid_option` for an address that others can reach, without a secret.
 */
export function createAdminServer(
  relay: Relay,
  {
    metrics,
    version = packageVersion,
    ...options
  }: AdminOptions & { metrics: Metrics; version?: string | undefined },
): AdminServer {
  return createAdminListener(relaySource(relay, metrics, version), options);
}

/** @throws TunnelError `invalid_option` for an address that others can reach, without a secret. */
export function createAdminListener(source: AdminSource, options: AdminOptions): AdminServer {
  if (isOpenToOthers(options)) {
    throw unusable(
      `the admin listener's host ${options.host} can be reached from outside this machine: give a secret`,
      { options: ["host", "secret"] },
    );
  }
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
