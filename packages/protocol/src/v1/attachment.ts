import type { Link, LinkHandler } from "../link.js";
import { Liveness } from "../liveness.js";
import type { LivenessOptions } from "../liveness.js";
import { Decoder } from "./decode.js";
import type { OnFrame } from "./decode.js";

/** The session that a link is attached to. */
export interface AttachmentOwner {
  /** A message has come. Without `message`, `decoder` has to go on with the messages that came before. */
  onLinkMessage(attachment: Attachment, message?: Buffer | string): void;
  /** All sent bytes have left this process. */
  onLinkDrain(): void;
  /** A link is closed, which may be one that was attached before. */
  onLinkClose(attachment: Attachment, code: number, reason: string): void;
  /** Nothing has come for too long: the link is as good as closed. */
  onLinkDead(): void;
}

/** The link that carries a session now, with the parts that last as long as the link does. */
export class Attachment implements LinkHandler {
  readonly link: Link;
  readonly decoder: Decoder;
  readonly liveness: Liveness;
  /** The shortest round trip over this link, in milliseconds; another link may go another way. */
  minRttMs: number | undefined;
  readonly #owner: AttachmentOwner;
  #resting = false;

  /** Begins to ping. The events of the link arrive here once this object is the link's handler. */
  constructor(link: Link, onFrame: OnFrame, liveness: LivenessOptions, owner: AttachmentOwner) {
    this.link = link;
    this.decoder = new Decoder(onFrame);
    this.#owner = owner;
    this.liveness = new Liveness(link, liveness, () => owner.onLinkDead());
  }

  /**
   * Leaves the link to its next owner. Nothing is reported any more, not even the rest of the message that is
   * being decoded.
   */
  release(): void {
    this.liveness.stop();
    this.decoder.stop();
    this.link.handler = undefined;
  }

  onMessage(message?: Buffer | string): void {
    this.liveness.heard();
    this.#owner.onLinkMessage(this, message);
    if (!this.#resting && this.decoder.isBehind) this.#rest();
  }

  /** Gives the rest of the process its turn before more of this link's messages are decoded. */
  #rest(): void {
    this.#resting = true;
    this.link.pause();
    setImmediate(() => {
      this.#resting = false;
      if (this.decoder.isBehind) this.onMessage();
      if (!this.#resting) this.link.resume();
    });
  }

  onDrain(): void {
    this.#owner.onLinkDrain();
  }

  onPong(): void {
    this.liveness.pong();
    const { rttMs } = this.liveness;
    if (rttMs !== undefined) this.minRttMs = Math.min(rttMs, this.minRttMs ?? rttMs);
  }

  onClose(code: number, reason: string): void {
    this.#owner.onLinkClose(this, code, reason);
  }
}
