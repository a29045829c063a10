import { createServer, type Server as HttpServer, type ServerOptions } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { plainAddress } from "mcp-tunnel-shared";
import type { Connections } from "../../admission/connections.js";
import type { LimitReporter } from "../../telemetry/limit-reporter.js";
import type { Limits } from "../../limits.js";
import { bareAnswer, ClientErrors } from "./client-error.js";
import { closeGently } from "../../net/closing.js";
import { Http1Request, Http1Response } from "../wire/http1.js";
import { Http2Sessions } from "./http2-sessions.js";
import { Pipelines } from "./pipelines.js";
import type { Router } from "../route/router.js";
import { ticketLifetimeS } from "../../tls/ticket-keys.js";
import type { Tls } from "../../tls/tls.js";

function http1Options(limits: Limits) {
  return {
    IncomingMessage: Http1Request,
    ServerResponse: Http1Response,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headerTimeoutMs,
    // Node's interval of 30 s could double the time.
    connectionsCheckingInterval: Math.min(5_000, Math.ceil(limits.headerTimeoutMs / 3)),
    // A body may stream for hours.
    requestTimeout: 0,
    keepAliveTimeout: limits.idleTimeoutMs,
    noDelay: true,
    // Finds visitors who vanished while nothing is sent to them.
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    // So much of a response may be on its way before the tunnel is told to wait: more than Node 20's 16 KiB.
    highWaterMark: 65_536,
    insecureHTTPParser: false,
    // The relay refuses such a request itself, and says why. Node says only 400.
    requireHostHeader: false,
  } satisfies ServerOptions<typeof Http1Request, typeof Http1Response>;
}

/** The server that visitors and clients connect to. */
export interface VisitorServer {
  /** Not yet listening. */
  readonly server: Server;
  /** Takes no more connections. */
  drain(): void;
  /** Closes all connections. */
  cut(): void;
}

/** The limits that the server applies to visitors. */
export interface VisitorLimits {
  readonly limits: Limits;
  readonly connections: Connections;
  readonly reporter: LimitReporter;
}

/** Makes the server. With `tls` it speaks TLS, and HTTP/2 besides HTTP/1.1. */
export function createVisitorServer(
  router: Router,
  tls: Pick<Tls, "certificates" | "ticketKeys"> | undefined,
  limited: VisitorLimits,
): VisitorServer {
  const { limits, connections } = limited;
  const options = http1Options(limits);
  if (tls === undefined) {
    const server = createServer(options);
    serveHttp1(server, router, limited);
    connections.watch(server);
    return {
      server,
      drain: () => stopListening(server),
      cut: () => closeConnections(server),
    };
  }
  const { certificates, ticketKeys } = tls;
  const server = createSecureServer({
    ...options,
    ALPNProtocols: ["h2", "http/1.1"],
    SNICallback: certificates.sniCallback,
    handshakeTimeout: limits.headerTimeoutMs,
    sessionTimeout: ticketLifetimeS,
    ticketKeys: ticketKeys.current,
  });
  certificates.followFallback(({ cert, key }) => {
    // With keys of its own, a new context would know none of the tickets that visitors have.
    server.setSecureContext({ cert, key, honorCipherOrder: true, ticketKeys: ticketKeys.current });
  });
  ticketKeys.follow((keys) => server.setTicketKeys(keys));
  serveHttp1(server, router, limited);
  connections.watch(server);
  const http2 = new Http2Sessions(router, limits, limited.reporter);
  // Node's server for both versions lacks the time limits of its HTTP/1.1 server. So this is the HTTP/1.1
  // server, and a connection that chose HTTP/2 in the handshake goes elsewhere.
  const [acceptHttp1] = server.listeners("secureConnection") as ((socket: TLSSocket) => void)[];
  server.removeAllListeners("secureConnection");
  server.on("secureConnection", (socket) => {
    own(socket);
    router.guard(socket, () => {
      if (socket.alpnProtocol === "h2") http2.accept(socket);
      else acceptHttp1?.call(server, socket);
    });
  });
  return {
    server,
    drain() {
      stopListening(server);
      http2.drain();
    },
    cut() {
      closeConnections(server);
      http2.cut();
    },
  };
}

type AnyHttpServer = HttpServer<typeof Http1Request, typeof Http1Response>;

/**
 * Only stops listening. The `close` of an HTTP server also closes idle connections, on which the next request
 * may be on its way, and no longer watches over slow ones.
 */
function stopListening(server: AnyHttpServer): void {
  Server.prototype.close.call(server);
}

function closeConnections(server: AnyHttpServer): void {
  server.close();
  server.closeAllConnections();
}

/**
 * Takes everything that Node's server hands over or would answer by itself: 417 to an expectation, 400 to
 * bytes that are no HTTP, the end of the connection to a CONNECT. Each listener is guarded from its first
 * line on.
 */
function serveHttp1(server: AnyHttpServer, router: Router, { reporter }: VisitorLimits): void {
  // Node would silently leave out the fields beyond its limit. The relay counts and refuses them (judges.ts).
  server.maxHeadersCount = 0;
  const pipelines = new Pipelines();
  const clientErrors = new ClientErrors(pipelines, reporter, router);
  const serve = (req: Http1Request, res: Http1Response, awaitsContinue: boolean): void => {
    try {
      // Node throws away bytes that came together with such a request: the next ones may begin in
      // mid-request.
      if (req.ignoresUpgrade) res.shouldKeepAlive = false;
      if (pipelines.admit(req, res)) router.onRequest(req, res, awaitsContinue);
    } catch (error) {
      router.onFault(res, error);
    }
  };
  server.on("connection", own);
  server.on("request", (req, res) => serve(req, res, false));
  server.on("checkContinue", (req, res) => serve(req, res, true));
  // The local service meets or refuses any other expectation (RFC 9110 section 10.1.1).
  server.on("checkExpectation", (req, res) => serve(req, res, false));
  server.on("clientError", (error: NodeJS.ErrnoException, connection) => {
    const socket = connection as Socket;
    router.guard(socket, () => clientErrors.onError(error, socket));
  });
  // Only keepAliveTimeout sets a timeout on connections, so this one was idle.
  server.on("timeout", (socket) => {
    // A connection that is destroyed does not know its address any more.
    const address = plainAddress(socket.remoteAddress ?? "");
    socket.destroy();
    router.guard(socket, () => reporter.hit("idle_time", { address }));
  });
  server.on("connect", (_req, connection) => {
    const socket = connection as Socket;
    own(socket);
    router.guard(socket, () => {
      // A relay is no proxy for other hosts.
      const refuse = (): void =>
        closeGently(socket, bareAnswer("501 Not Implemented", "connect_not_supported"));
      pipelines.handOver(socket, refuse);
    });
  });
  server.on("upgrade", (req, connection, head) => {
    const socket = connection as Socket;
    own(socket);
    router.guard(socket, () => pipelines.handOver(socket, () => router.onUpgrade(req, socket, head)));
  });
}

/** Takes a connection over. Whatever goes wrong with it, at any time, concerns nobody else. */
function own(socket: Duplex): void {
  // Each pipelined request listens to its connection.
  socket.setMaxListeners(0);
  socket.on("error", ignore);
}

/**
 * Made once: a listener made in a handler would keep the request in memory as long as the connection lives.
 */
function ignore(): void {}
