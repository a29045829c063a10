import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { originForm, parseHost } from "../route/host.js";
import { reportFault } from "../../telemetry/report.js";
import type { Logger } from "../../telemetry/log.js";

/**
 * An HTTP server, not yet listening, that sends visitors to the same address over HTTPS. 308 keeps the method
 * and the body. Only hosts below `domain` are redirected, so that it leads nobody elsewhere. `httpsPort` is
 * the port that visitors see. `timeoutMs`: how long a request may take, and the visitor to take the answer.
 */
export function createRedirectServer(
  domain: string,
  httpsPort: string,
  timeoutMs: number,
  logger: Logger,
): Server {
  const server = createServer({
    maxHeaderSize: 16_384,
    headersTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    connectionsCheckingInterval: Math.min(5_000, Math.ceil(timeoutMs / 3)),
    requireHostHeader: false,
  });
  // A visitor who does not take the answer keeps the connection no longer than this.
  server.timeout = timeoutMs;
  const redirect = (req: IncomingMessage, res: ServerResponse): void => {
    try {
      answer(req, res, domain, httpsPort);
    } catch (error) {
      reportFault(logger, undefined, error);
      res.destroy();
    }
  };
  // Node would answer an expectation by itself. The body is not read: the close spares the visitor sending
  // it.
  server.on("request", redirect).on("checkContinue", redirect).on("checkExpectation", redirect);
  return server;
}

function answer(req: IncomingMessage, res: ServerResponse, domain: string, httpsPort: string): void {
  const target = req.url ?? "/";
  const host = parseHost(req.rawHeaders, target, domain);
  const path = originForm(target, req.method ?? "");
  if ((host.kind === "tunnel" || host.kind === "base") && path?.startsWith("/") === true) {
    const name = host.kind === "tunnel" ? `${host.name}.${domain}` : domain;
    const location = `https://${name}${httpsPort === "" ? "" : `:${httpsPort}`}${path}`;
    res.writeHead(308, { Location: location, "Content-Length": 0, Connection: "close" }).end();
    return;
  }
  const isForeign = host.kind === "foreign";
  res.writeHead(isForeign ? 421 : 400, { "Content-Type": "text/plain", Connection: "close" });
  res.end(isForeign ? "this relay does not serve this host name" : "bad request");
}
