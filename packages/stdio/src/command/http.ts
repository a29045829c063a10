import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import {
  hostHeaderValidationResponse,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  originValidationResponse,
} from "@modelcontextprotocol/server";
import { TunnelError } from "mcp-tunnel-protocol";
import { isLoopback, messageOf } from "mcp-tunnel-shared";
import { atOnlyPath, onlyPath } from "../paths.js";

type Handler = (request: Request) => Promise<Response>;

/** A handler that listens. */
interface Listening {
  /** Where the handler answers. */
  readonly url: string;
  /** Cuts what is open. */
  close(): Promise<void>;
}

/**
 * Serves `handler` at `/mcp`. On an address of this machine, requests that name another host or come from
 * another site are refused: a web page could otherwise reach the server by a name of its own (DNS rebinding).
 * @throws TunnelError `unavailable`.
 */
export async function listen(handler: Handler, host: string, port: number): Promise<Listening> {
  const answer = atOnlyPath(isLoopback(host) ? guarded(handler) : handler);
  const listener = getRequestListener(answer, { overrideGlobalObjects: false });
  const server = createServer((req, res) => void listener(req, res));
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    throw new TunnelError("unavailable", `cannot listen on ${host}, port ${port}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const { address, family, port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${bound}${onlyPath}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function guarded(handler: Handler): Handler {
  return async (request) =>
    hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
    originValidationResponse(request, localhostAllowedOrigins()) ??
    handler(request);
}
