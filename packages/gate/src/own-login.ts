import type { ServedTunnel } from "mcp-tunnel-client";
import { headerValue } from "mcp-tunnel-protocol";
import type { AcceptedStream, RawHeaders, ResetCode, ResponseHead } from "mcp-tunnel-protocol";

/**
 * A service that asks for a login asks for it at once. So a few answers tell, and later ones cost nothing.
 */
const watchedRequests = 20;

/**
 * Looks whether the service behind a gate asks for a token of its own: 401 with a Bearer challenge. A visitor
 * has one `Authorization` to show, and the gate takes it.
 */
export class OwnLoginWatch {
  #left = watchedRequests;
  #hasWarned = false;

  /** Returns the stream on which the service shall answer. */
  over(stream: AcceptedStream, tunnel: ServedTunnel): AcceptedStream {
    if (this.#left <= 0) return stream;
    this.#left -= 1;
    return new WatchedStream(stream, (head) => this.#look(head, tunnel));
  }

  #look({ status, headers }: ResponseHead, tunnel: ServedTunnel): void {
    if (status !== 401 || !/^bearer\b/i.test(headerValue(headers, "www-authenticate") ?? "")) return;
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#left = 0;
    tunnel.warn({
      code: "own_login",
      message:
        "the service asks for a login of its own (401 with a Bearer challenge), and the gate takes the " +
        "visitors' Authorization: use --visitor-auth none, and the service checks its visitors as before",
    });
  }
}

class WatchedStream implements AcceptedStream {
  readonly #stream: AcceptedStream;
  readonly #onHead: (head: ResponseHead) => void;

  constructor(stream: AcceptedStream, onHead: (head: ResponseHead) => void) {
    this.#stream = stream;
    this.#onHead = onHead;
  }

  get id(): number {
    return this.#stream.id;
  }

  sendInterim(head: ResponseHead): void {
    this.#stream.sendInterim(head);
  }

  sendHead(head: ResponseHead, end?: boolean): void {
    this.#onHead(head);
    this.#stream.sendHead(head, end);
  }

  write(chunk: Buffer): boolean {
    return this.#stream.write(chunk);
  }

  end(trailers?: RawHeaders): void {
    this.#stream.end(trailers);
  }

  reset(code: ResetCode, message?: string): void {
    this.#stream.reset(code, message);
  }

  consumed(bytes: number): void {
    this.#stream.consumed(bytes);
  }
}
