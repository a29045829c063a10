import { closeCodes, type Link, type LinkHandler, TunnelError } from "mcp-tunnel-protocol";

/** How many bytes a client may send before it is registered, WebSocket framing included. */
export const maxRegistrationBytes = 65_536;

/** The messages of a link that has no session yet, one at a time. */
export class Inbox implements LinkHandler {
  readonly #link: Link;
  #messages: string[] = [];
  #bytes = 0;
  #closed: TunnelError | undefined;
  #wake: (() => void) | undefined;

  constructor(link: Link) {
    this.#link = link;
    link.handler = this;
  }

  /** Whether the peer is still there. */
  get isOpen(): boolean {
    return this.#closed === undefined;
  }

  /** Lets the link go. It keeps what the client says until it has another handler. */
  release(): void {
    this.#link.handler = undefined;
  }

  /**
   * The next message that `parse` can read. Other messages are skipped, as the original does.
   * @throws TunnelError `timeout` after `timeoutMs` in all, `session_lost` when the peer leaves.
   */
  async next<T>(parse: (text: string) => T | undefined, timeoutMs: number): Promise<T> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      for (let text = this.#messages.shift(); text !== undefined; text = this.#messages.shift()) {
        const message = parse(text);
        if (message !== undefined) return message;
      }
      if (this.#closed !== undefined) throw this.#closed;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new TunnelError("timeout", "no usable message in time");
      await this.#change(leftMs);
    }
  }

  onMessage(message: Buffer | string): void {
    // ClientConnections counts the bytes of its sockets. Those of a client whose messages come through
    // another relay are counted here alone.
    this.#bytes += Buffer.byteLength(message);
    if (this.#bytes > maxRegistrationBytes) {
      this.#link.close(closeCodes.tooLarge, "the registration is too large");
      return;
    }
    // Binary messages are not read, nor is text while the token is checked.
    if (typeof message === "string") this.#messages.push(message);
    this.#wake?.();
  }

  onClose(code: number, reason: string): void {
    const said = reason === "" ? `${code}` : `${code}: ${reason}`;
    this.#closed = new TunnelError("session_lost", `the client left while registering (${said})`);
    this.#wake?.();
  }

  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.ceil(timeoutMs));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
