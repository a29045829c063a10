import { hash, randomBytes, timingSafeEqual } from "node:crypto";

/**
 * What opens the API of one start of the page: 256 random bits, which nobody guesses. So wrong tries are
 * neither counted nor slowed, and no program can lock the user out.
 */
export class PageSecret {
  readonly text = randomBytes(32).toString("base64url");
  readonly #digest = sha256(this.text);

  /** Whether the field Authorization shows it: `Bearer SECRET`. */
  isIn(authorization: string | undefined): boolean {
    const [, given] = /^Bearer +([^ ]+)$/i.exec(authorization ?? "") ?? [];
    // Digests have one length, so that the comparison takes the same time whatever is given.
    return given !== undefined && timingSafeEqual(sha256(given), this.#digest);
  }
}

const sha256 = (text: string): Buffer => hash("sha256", text, "buffer");
