import { createServer, type Server as HttpServer, type ServerOptions } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { Server } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Certificates } from "../tls/certificates.js";
import type { ConnectionLimit } from "../limits/connections.js";
import type { LimitReporter } from "../limits/limit-reporter.js";
import type { Limits } from "../limits/limits.js";
import { answerClientErrors } from "./client-error.js";
import { Http1Request, Http1Response } from "./http1.js";
import { Http2Sessions } from "./http2-sessions.js";
import { Pipelines } from "./pipelines.js";
import type { Visitors } from "./visitors.js";

function http1Options(limits: Limits) {
  return {
    IncomingMessage: Http1Request,
    ServerResponse: Http1Response,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headerTimeoutMs,
    // Node's 30 s could double it.
    connectionsCheckingInterval: Math.min(5_000, Math.ceil(limits.headerTimeoutMs / 3)),
    // A body may stream for hours.
    requestTimeout: 0,
    keepAliveTimeout: limits.idleTimeoutMs,
    noDelay: true,
    // Finds visitors who vanished without a word while nothing is sent to them.
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    // More than Node 20's 16 KiB of response is on its way before the tunnel is told to wait.
    highWaterMark: 65_536,
    insecureHTTPParser: false,
    // Refused here, in words of our own; Node says nothing but 400.
    requireHostHeader: false,
  } satisfies ServerOptions<typeof Http1Request, typeof Http1Response>;
}

/** What visitors and clients reach. */
export interface VisitorServer {
  /** Not yet listening. */
  readonly server: Server;
  /** Takes no more connections. */
  drain(): void;
  /** Closes all connections. */
  cut(): void;
}

/** What the server keeps its visitors to. */
export interface VisitorLimits {
  readonly limits: Limits;
  readonly connections: ConnectionLimit;
  readonly reporter: LimitReporter;
}

/** With `certificates` it speaks TLS, and HTTP/2 besides HTTP/1.1. */
export function createVisitorServer(
  visitors: Visitors,
  certificates: Certificates | undefined,
  limited: VisitorLimits,
): VisitorServer {
  const { limits, connections } = limited;
  const options = http1Options(limits);
  if (certificates === undefined) {
    const server = createServer(options);
    serveHttp1(server, visitors, limited);
    connections.watch(server);
    return {
      server,
      drain: () => stopListening(server),
      cut: () => closeConnections(server),
    };
  }
  const server = createSecureServer({
    ...options,
    ALPNProtocols: ["h2", "http/1.1"],
    SNICallback: certificates.sniCallback,
    handshakeTimeout: limits.headerTimeoutMs,
  });
  certificates.followFallback(({ cert, key }) => {
    server.setSecureContext({ cert, key, honorCipherOrder: true });
  });
  serveHttp1(server, visitors, limited);
  connections.watch(server);
  const http2 = new Http2Sessions(visitors, limits, limited.reporter);
  // Node's own server of both kinds lacks the time limits of its HTTP/1.1 one, so this is the latter, and what
  // chose HTTP/2 in the handshake goes elsewhere.
  const [acceptHttp1] = server.listeners("secureConnection") as ((socket: TLSSocket) => void)[];
  server.removeAllListeners("secureConnection");
  server.on("secureConnection", (socket) => {
    socket.setMaxListeners(0);
    if (socket.alpnProtocol === "h2") http2.accept(socket);
    else acceptHttp1?.call(server, socket);
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
 * Without what an HTTP server does besides: it closes idle connections, on which the next request may be on its way,
 * and watches no more over slow ones.
 */
function stopListening(server: AnyHttpServer): void {
  Server.prototype.close.call(server);
}

function closeConnections(server: AnyHttpServer): void {
  server.close();
  server.closeAllConnections();
}

function serveHttp1(server: AnyHttpServer, visitors: Visitors, { reporter }: VisitorLimits): void {
  // Node would leave out what is beyond, in silence; here it is counted and refused.
  server.maxHeadersCount = 0;
  server.on("connection", (socket) => {
    // Each pipelined request listens to its connection.
    socket.setMaxListeners(0);
  });
  const pipelines = new Pipelines();
  answerClientErrors(server, pipelines, reporter);
  // Nothing else sets a time limit on connections.
  server.on("timeout", (socket) => {
    reporter.hit("idle_time");
    socket.destroy();
  });
  server.on("request", (req, res) => {
    if (pipelines.admit(req, res)) visitors.onRequest(req, res, false);
  });
  server.on("checkContinue", (req, res) => {
    if (pipelines.admit(req, res)) visitors.onRequest(req, res, true);
  });
  server.on("upgrade", (req, socket, head) => {
    // A visitor may leave at any moment, and Node has taken its own listeners off.
    socket.on("error", ignore);
    const before = pipelines.latest(socket);
    // That answer is still owed, and would end up in the midst of what is upgraded.
    if (before?.writableFinished === false) socket.destroy();
    // The connection closes after that answer, which is on its way.
    else if (before?.shouldKeepAlive === false) return;
    // It has been written, and Node has yet to take it off the connection.
    else if (before?.socket === socket) before.once("finish", () => visitors.onUpgrade(req, socket, head));
    else visitors.onUpgrade(req, socket, head);
  });
}

/** Made once: a listener that is made in a handler keeps the request for as long as the connection lives. */
function ignore(): void {}
