import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { LimitReporter } from "../limits/limit-reporter.js";
import type { LimitName } from "../limits/limits.js";
import { plainAddress } from "./forwarded.js";
import type { Pipelines } from "./pipelines.js";

const tooLate = { limit: "header_time", status: "408 Request Timeout", code: "request_timeout" } as const;

/** What Node can complain of that is a limit of ours. */
const limitOf: Readonly<Record<string, { limit: LimitName; status: string; code: string }>> = {
  HPE_HEADER_OVERFLOW: {
    limit: "header_bytes",
    status: "431 Request Header Fields Too Large",
    code: "headers_too_large",
  },
  ERR_HTTP_REQUEST_TIMEOUT: tooLate,
  ERR_TLS_HANDSHAKE_TIMEOUT: tooLate,
};
const badRequest = { status: "400 Bad Request", code: "invalid_request" };

/**
 * Answers what Node cannot read as HTTP, as Node would, and closes the connection: after a message that two
 * readers may read differently, nothing that follows can be trusted (RFC 9112 section 11.2).
 */
export function answerClientErrors<
  Req extends typeof IncomingMessage,
  Res extends typeof ServerResponse<InstanceType<Req>>,
>(server: Server<Req, Res>, pipelines: Pipelines, reporter: LimitReporter): void {
  // A relay is no proxy for other hosts.
  server.on("connect", (_req, socket) => {
    if (pipelines.isOwed(socket)) socket.destroy();
    else socket.on("error", () => {}).end(answer("501 Not Implemented", "connect_not_supported"));
  });
  server.on("clientError", (error: NodeJS.ErrnoException, connection) => {
    const socket = connection as Socket;
    const known = limitOf[error.code ?? ""];
    if (known !== undefined) {
      reporter.hit(known.limit, { address: plainAddress(socket.remoteAddress ?? "") });
    }
    const response = pipelines.latest(socket);
    // In the midst of a response, or before one that is still to come, an answer would be taken for that one. Unless it is
    // that request itself that is bad, in its body.
    const isOwn = response?.socket === socket && !response.headersSent && !response.req.complete;
    if (socket.writable && error.code !== "ECONNRESET" && (!pipelines.isOwed(socket) || isOwn)) {
      const { status, code } = known ?? badRequest;
      socket.write(answer(status, code));
    }
    socket.destroy(error);
  });
}

function answer(status: string, code: string): string {
  return `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\nX-Tunnel-Error: ${code}\r\n\r\n`;
}
