// A plugin for Vite 7 and 8: the development server has a public URL, which stands among Vite's own.
// docs/embedding.md has a vite.config.js that uses it.
import { TunnelClient } from "mcp-tunnel-client";

/**
 * @typedef {object} TunnelSettings
 * @property {string} [domain] The domain below which the relay gives names. Vite answers to all names below
 *   it. Default: the host of `relayUrl`.
 *
 * @typedef {Omit<import("mcp-tunnel-client").TunnelClientOptions, "service" | "port" | "target" | "handler" |
 *   "fetch" | "server">} ClientOptions
 */

/**
 * Starts a tunnel once the server listens, and closes it with the server. While the relay cannot be reached,
 * the server works without one.
 *
 * @param {ClientOptions & TunnelSettings} options Those of `startTunnelClient`, and `domain`.
 * @returns {import("vite").Plugin}
 */
export function tunnel({ domain, ...options }) {
  // A program that restarts its server gives the new one this same plugin, before the old one ends.
  /** @type {WeakMap<import("vite").ResolvedConfig, TunnelClient>} */
  const clients = new WeakMap();
  return {
    name: "mcp-tunnel",
    apply: (_config, { command, isPreview }) => command === "serve" && isPreview !== true,
    // Vite reads this list before it listens, and the relay says the name only then.
    config: () => ({ server: { allowedHosts: [`.${domain ?? hostOf(options.relayUrl)}`] } }),

    configureServer(server) {
      const { httpServer } = server;
      // In middleware mode the server belongs to a program, and so would the tunnel. Vitest works that way.
      if (httpServer === null) return;
      if (server.config.server.https) {
        throw new Error("mcp-tunnel: remove server.https; the relay has the certificate that visitors see");
      }
      const { logger } = server.config;
      const started = new TunnelClient({
        server: /** @type {import("node:http").Server} */ (httpServer),
        waitForRelay: true,
        // Every open page has a WebSocket, for which a client that closes would wait.
        shutdownGraceMs: 0,
        ...options,
      });
      clients.set(server.config, started);

      const printUrl = () => logger.info(`  ➜  Tunnel:  ${started.url}`);
      const printUrls = server.printUrls.bind(server);
      server.printUrls = () => {
        printUrls();
        if (started.url !== undefined) printUrl();
      };
      started.on("connected", ({ resumed }) => {
        if (!resumed) printUrl();
      });
      started.on("reconnecting", ({ attempt, cause }) => {
        if (attempt === 1) logger.warn(`  ➜  Tunnel:  ${shown(cause)}; trying again`);
      });
      started.on("closed", ({ error }) => {
        if (error !== undefined) logger.error(`  ➜  Tunnel:  ${shown(error)}`);
      });
      // `closed` tells of a start that fails.
      httpServer.once("listening", () => void started.start().catch(() => {}));
    },

    closeBundle() {
      return clients.get(this.environment.getTopLevelConfig())?.close();
    },
  };
}

/**
 * The message without control characters: the relay may have written a part of it.
 *
 * @param {Error} error
 */
function shown({ message }) {
  return message.replaceAll(/\p{C}/gu, " ");
}

/** @param {string} relayUrl */
function hostOf(relayUrl) {
  return new URL(relayUrl.includes("://") ? relayUrl : `https://${relayUrl}`).hostname;
}
