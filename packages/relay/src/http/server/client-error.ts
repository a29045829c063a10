import type { Socket } from "node:net";
import type { LimitReporter } from "../../telemetry/limit-reporter.js";
import type { LimitName } from "../../limits.js";
import { closeGently, isClosing, maxLateBytes } from "../../net/closing.js";
import { plainAddress } from "../../net/addresses.js";
import { type GuessedHead, guessHead } from "../route/guessed-head.js";
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
const badRequest: { status: string; code: string; text?: string } = {
  status: "400 Bad Request",
  code: "invalid_request",
};
/** Node takes no byte beyond ASCII in a target; nginx and many a client do. Over HTTP/2 it reaches the local service. */
const badTarget: typeof badRequest = {
  status: "400 Bad Request",
  code: "invalid_target",
  text: "invalid request target: what is not printable ASCII has to be percent-encoded",
};

/** Of these the client of the tunnel is told, as far as it can be said which. */
const toldCodes: Readonly<Record<string, "headers_too_large" | "invalid_target">> = {
  HPE_HEADER_OVERFLOW: "headers_too_large",
  HPE_INVALID_URL: "invalid_target",
};

/** What Node complains of; `rawPacket` is what came last over the connection. */
type ClientError = NodeJS.ErrnoException & { reason?: string; rawPacket?: Buffer };

/** Who is told of what was answered here. */
export interface ClientErrorObserver {
  /** A request could not be read and was answered with 400; `reason` is Node's. */
  onUnreadable(address: string, reason: string): void;
  /** A head was over the limit, or its target had what Node does not take, and that was the answer. */
  onRefusedHead(code: "headers_too_large" | "invalid_target", guessed: GuessedHead): void;
}

/**
 * Answers what Node cannot read as HTTP, as Node would, and closes the connection: after a message that two
 * readers may read differently, nothing that follows can be trusted (RFC 9112 section 11.2).
 */
export class ClientErrors {
  readonly #pipelines: Pipelines;
  readonly #reporter: LimitReporter;
  readonly #observer: ClientErrorObserver;
  /** How much had been read of a connection when the first byte came that belongs to no request. */
  readonly #lateFrom = new WeakMap<Socket, number>();

  constructor(pipelines: Pipelines, reporter: LimitReporter, observer: ClientErrorObserver) {
    this.#pipelines = pipelines;
    this.#reporter = reporter;
    this.#observer = observer;
  }

  /** Node calls it again for whatever else comes over the same connection. */
  onError(error: ClientError, socket: Socket): void {
    if (isClosing(socket)) return;
    const known = limitOf[error.code ?? ""];
    const address = plainAddress(socket.remoteAddress ?? "");
    if (known !== undefined) this.#reporter.hit(known.limit, { address });
    // Nobody is there who could read an answer.
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
    // In the midst of a response, or before one that is still to come, an answer would be taken for that one. Unless it is
    // that request itself that is bad, in its body. After the last answer nothing is said any more.
    const isOwn = response?.socket === socket && !response.headersSent && !response.req.complete;
    const isAnswerable = isOwed ? isOwn : response?.shouldKeepAlive !== false;
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
    // The exchange hears at once that its request will not be whole.
    if (isOwn) socket.destroySoon();
  }

  #tellOfHead({ code, rawPacket }: ClientError, socket: Socket): void {
    const told = toldCodes[code ?? ""];
    const guessed = told === undefined ? undefined : guessHead(rawPacket, socket);
    if (told !== undefined && guessed !== undefined) this.#observer.onRefusedHead(told, guessed);
  }

  /**
   * Something has come behind a request after which the connection closes. It is no reason not to answer that request:
   * it is thrown away, and the connection closes after the answer (RFC 9112 section 9.6).
   */
  #awaitAnswer(socket: Socket): void {
    const from = this.#lateFrom.get(socket);
    if (from === undefined) {
      this.#lateFrom.set(socket, socket.bytesRead);
      // Node calls it once the answer has been written; without more ado it would close at once.
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
