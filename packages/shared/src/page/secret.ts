import { hash, timingSafeEqual } from "node:crypto";

/** The text that opens the API of a page. */
export class PageSecret {
  readonly text: string;
  readonly #digest: Buffer;

  constructor(text: string) {
    this.text = text;
    this.#digest = sha256(text);
  }

  /** Whether the field Authorization shows it: `Bearer SECRET`. */
  isIn(authorization: string | undefined): boolean {
    const [, given] = /^Bearer +([^ ].*)$/i.exec(authorization ?? "") ?? [];
    // Digests have one length, so that the comparison takes the same time whatever is given.
    return given !== undefined && timingSafeEqual(sha256(given), this.#digest);
  }
}

const sha256 = (text: string): Buffer => hash("sha256", text, "buffer");
