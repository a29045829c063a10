import type { Socket } from "node:net";
import type { LimitReporter } from "../../telemetry/limit-reporter.js";
import type { LimitName } from "../../limits.js";
import { closeGently, isClosing, maxLateBytes } from "../../net/closing.js";
import { plainAddress } from "mcp-tunnel-shared";
import { type GuessedHead, guessHead } from "../route/guessed-head.js";
import { relayErrors } from "../answer/errors.js";
import type { Pipelines } from "./pipelines.js";

const { headers_too_large: headersTooLarge } = relayErrors;
const tooLate = { limit: "header_time", status: "408 Request Timeout", code: "request_timeout" } as const;

/** Node's errors that mean a limit of the relay. */
const limitOf: Readonly<Record<string, { limit: LimitName; status: string; code: string; text?: string }>> = {
  HPE_HEADER_OVERFLOW: {
    limit: "header_bytes",
    status: "431 Request Header Fields Too Large",
    code: "headers_too_large",
    // A browser whose cookies have piled up would show an error of its own, which does not say so.
    text: `${headersTooLarge.text}: ${headersTooLarge.advice}`,
  },
  ERR_HTTP_REQUEST_TIMEOUT: tooLate,
  ERR_TLS_HANDSHAKE_TIMEOUT: tooLate,
};
const badRequest: { status: string; code: string; text?: string } = {
  status: "400 Bad Request",
  code: "invalid_request",
};
/**
 * Node takes no byte beyond ASCII in a target. nginx and many clients do. Over HTTP/2 such a target reaches
 * the local service.
 */
const badTarget: typeof badRequest = {
  status: "400 Bad Request",
  code: "invalid_target",
  text: "invalid request target: what is not printable ASCII has to be percent-encoded",
};

/** Errors that the tunnel's client is told, as far as its tunnel can be guessed. */
const toldCodes: Readonly<Record<string, "headers_too_large" | "invalid_target">> = {
  HPE_HEADER_OVERFLOW: "headers_too_large",
  HPE_INVALID_URL: "invalid_target",
};

/** An error of Node's. `rawPacket`: the last bytes that came over the connection. */
type ClientError = NodeJS.ErrnoException & { reason?: string; rawPacket?: Buffer };

/** Is told of the requests that were answered here. */
export interface ClientErrorObserver {
  /** A request could not be read and was answered with 400; `reason` is Node's. */
  onUnreadable(address: string, reason: string): void;
  /** A head was over the limit, or its target had bytes that Node does not take, and the answer said so. */
  onRefusedHead(code: "headers_too_large" | "invalid_target", guessed: GuessedHead): void;
}

/**
 * Answers bytes that Node cannot read as HTTP, as Node would do, and closes the connection. After a message
 * that two readers may read differently, nothing that follows can be trusted (RFC 9112 section 11.2).
 */
export class ClientErrors {
  readonly #pipelines: Pipelines;
  readonly #reporter: LimitReporter;
  readonly #observer: ClientErrorObserver;
  /** How many bytes a connection had brought when the first bytes came that belong to no request. */
  readonly #lateFrom = new WeakMap<Socket, number>();

  constructor(pipelines: Pipelines, reporter: LimitReporter, observer: ClientErrorObserver) {
    this.#pipelines = pipelines;
    this.#reporter = reporter;
    this.#observer = observer;
  }

  /** Node calls this again for everything else that comes over the same connection. */
  onError(error: ClientError, socket: Socket): void {
    if (isClosing(socket)) return;
    const known = limitOf[error.code ?? ""];
    const address = plainAddress(socket.remoteAddress ?? "");
    if (known !== undefined) this.#reporter.hit(known.limit, { address });
    // The TLS handshake is not over: nobody could read an answer.
    if ((socket as { secureConnecting?: boolean }).secureConnecting === true) {
      socket.destroy(error);
      return;
    }
    const response = this.#pipelines.latest(socket);
    const isOwed = this.#pipelines.isOwed(socket);
    if (error.code === "HPE_CLOSED_CONNECTION" && isOwed) {
      this.#awaitAnswer(socket);
      return;
    }
    // In the midst of a response, or before a response that is still to come, an answer would be taken for
    // that response. A request that is bad itself, in its body, is answered all the same. After the last
    // answer nothing more is sent.
    const isOwn = response?.socket === socket && !response.headersSent && !response.req.complete;
    const isAnswerable = isOwed ? isOwn : !this.#pipelines.closes(socket);
    if (!socket.writable || error.code === "ECONNRESET" || !isAnswerable) {
      if (isOwed) socket.destroy(error);
      else closeGently(socket);
      return;
    }
    if (known === undefined) this.#observer.onUnreadable(address, error.reason ?? error.message);
    this.#tellOfHead(error, socket);
    const unreadable = error.code === "HPE_INVALID_URL" ? badTarget : badRequest;
    const { status, code, text }: typeof badRequest = known ?? unreadable;
    closeGently(socket, bareAnswer(status, code, text));
    // So the exchange hears at once that its request will not be whole.
    if (isOwn) socket.destroySoon();
  }

  #tellOfHead({ code, rawPacket }: ClientError, socket: Socket): void {
    const told = toldCodes[code ?? ""];
    const guessed = told === undefined ? undefined : guessHead(rawPacket, socket);
    if (told !== undefined && guessed !== undefined) this.#observer.onRefusedHead(told, guessed);
  }

  /**
   * Bytes have come behind a request after which the connection closes. That request is answered all the
   * same. The bytes are thrown away, and the connection closes after the answer (RFC 9112 section 9.6).
   */
  #awaitAnswer(socket: Socket): void {
    const from = this.#lateFrom.get(socket);
    if (from === undefined) {
      this.#lateFrom.set(socket, socket.bytesRead);
      // Node calls this once the answer has been written. Its own `destroySoon` would close at once.
      socket.destroySoon = () => closeGently(socket);
    } else if (socket.bytesRead - from > maxLateBytes) socket.destroy();
  }
}

/** An answer over a connection that belongs to no request; nothing follows it. */
export function bareAnswer(status: string, code: string, text = ""): string {
  const type = text === "" ? "" : "Content-Type: text/plain; charset=utf-8\r\n";
  return (
    `HTTP/1.1 ${status}\r\nConnection: close\r\n${type}Content-Length: ${text.length}\r\n` +
    `X-Tunnel-Error: ${code}\r\n\r\n${text}`
  );
}
