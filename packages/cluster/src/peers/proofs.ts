import { createHmac, timingSafeEqual } from "node:crypto";

/**
 * All that the two ends of a link have said in clear, and agree on (PEERS.md, section 2). No part has a line
 * feed.
 */
export interface Terms {
  readonly version: number;
  readonly kind: string;
  /** The ids of the relay that dials and of the one that accepts. */
  readonly from: string;
  readonly to: string;
  /** As they travelled: a list that was changed on its way fits no proof. */
  readonly offeredVersions: string;
  readonly dialerFeatures: string;
  readonly acceptorFeatures: string;
  readonly dialerNonce: string;
  readonly acceptorNonce: string;
  /** What only the two ends of this TLS connection know (RFC 9266), in base64url; empty without TLS. */
  readonly binding: string;
}

/**
 * Who says something in a handshake. Each has proofs of its own, so that none can be sent back to the end
 * that it came from.
 */
export type Speaker = "acceptor" | "dialer" | "answer";

/** A proof in base64url, the line feed behind it, and the text that it is for. */
const signedForm = /^(?<proof>[\w-]{43})\n(?<text>.*)$/s;

/** Proves, within one handshake, that this end has the secret, and checks the proofs of the other end. */
export class Proofs {
  readonly #secret: Buffer;
  readonly #transcript: string;

  constructor(secret: Buffer, terms: Terms) {
    this.#secret = secret;
    this.#transcript = [
      "mcp-tunnel peer",
      terms.version,
      terms.kind,
      terms.from,
      terms.to,
      terms.offeredVersions,
      terms.dialerFeatures,
      terms.acceptorFeatures,
      terms.dialerNonce,
      terms.acceptorNonce,
      terms.binding,
    ].join("\n");
  }

  /** The proof of `speaker`, for the terms and for a text. */
  of(speaker: Speaker, text = ""): string {
    return this.#mac(speaker, text).toString("base64url");
  }

  /** Whether this is the proof of `speaker`. The comparison takes the same time wherever the two differ. */
  fits(proof: string, speaker: Speaker, text = ""): boolean {
    const given = Buffer.from(proof, "base64url");
    const right = this.#mac(speaker, text);
    return given.length === right.length && timingSafeEqual(given, right);
  }

  /** A message with its proof. */
  sign(speaker: Speaker, text: string): string {
    return `${this.of(speaker, text)}\n${text}`;
  }

  /** The text of a signed message; `undefined` if it does not come from `speaker`. */
  open(message: string, speaker: Speaker): string | undefined {
    const { proof, text } = signedForm.exec(message)?.groups ?? {};
    return proof !== undefined && text !== undefined && this.fits(proof, speaker, text) ? text : undefined;
  }

  #mac(speaker: Speaker, text: string): Buffer {
    const mac = createHmac("sha256", this.#secret);
    return mac.update(`${speaker}\n${this.#transcript}\n`).update(text).digest();
  }
}
