import { type Link, type LinkHandler, TunnelError } from "mcp-tunnel-protocol";

/** The messages of a link that has no session yet, one at a time. */
export class Inbox implements LinkHandler {
  #messages: string[] = [];
  #closed: TunnelError | undefined;
  #wake: (() => void) | undefined;

  constructor(link: Link) {
    link.handler = this;
  }

  /** Whether the peer is still there. */
  get isOpen(): boolean {
    return this.#closed === undefined;
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
    // Binary messages are not read, nor is text while the token is checked. ClientConnections limits the
    // bytes.
    if (typeof message === "string") this.#messages.push(message);
    this.#wake?.();
  }

  onClose(code: number, reason: string): void {
    this.#closed = new TunnelError("session_lost", `the client left while registering (${code} ${reason})`);
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
