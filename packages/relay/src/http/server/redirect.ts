import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { originForm, parseHost } from "../route/host.js";
import { relayErrors } from "../answer/errors.js";
import type { Operator } from "../answer/operator.js";
import { pageContent, plainContent, simplePage, wantsHtml } from "../answer/page.js";
import { reportFault } from "../../telemetry/report.js";
import type { Logger } from "../../telemetry/log.js";

/**
 * An HTTP server, not yet listening, that sends visitors to the same address over HTTPS. 308 keeps the method
 * and the body. Only hosts below `domain` are redirected, so that it leads nobody elsewhere. `httpsPort` is
 * the port that visitors see. `operator` signs the page for a browser that is led nowhere.
 * `timeoutMs`: how long a request may take, and the visitor to take the answer.
 */
export function createRedirectServer(
  domain: string,
  httpsPort: string,
  timeoutMs: number,
  operator: Operator,
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
      answer(req, res, domain, httpsPort, operator);
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

function answer(
  req: IncomingMessage,
  res: ServerResponse,
  domain: string,
  httpsPort: string,
  operator: Operator,
): void {
  const target = req.url ?? "/";
  const host = parseHost(req.rawHeaders, target, domain);
  const path = originForm(target, req.method ?? "");
  if ((host.kind === "tunnel" || host.kind === "base") && path?.startsWith("/") === true) {
    const name = host.kind === "tunnel" ? `${host.name}.${domain}` : domain;
    const location = `https://${name}${httpsPort === "" ? "" : `:${httpsPort}`}${path}`;
    res.writeHead(308, { Location: location, "Content-Length": 0, Connection: "close" }).end();
    return;
  }
  const { status, text, advice } = host.kind === "foreign" ? relayErrors.unserved_host : badRequest;
  const page = simplePage(`${status} ${text}`, text, advice);
  const content = wantsHtml(req) ? pageContent(page, operator) : plainContent(text);
  res.writeHead(status, ["Content-Type", content.type ?? "", ...content.fields, "Connection", "close"]);
  res.end(content.text);
}

const badRequest = {
  status: 400,
  text: "bad request",
  advice: "The request has to name one host and a path. Type the address anew, with https:// before it.",
};
