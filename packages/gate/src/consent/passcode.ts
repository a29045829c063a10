import { createHash, timingSafeEqual } from "node:crypto";
import { TunnelError } from "mcp-tunnel-protocol";
import { normalPasscode } from "../credentials/passcode.js";

/** Besides spaces and hyphens. So many letters and digits, drawn at random, have 80 bits. */
const minCharacters = 16;

/** The passcode of a gate, of which only a digest is kept. */
export class Passcode {
  #digest: Buffer;

  /** @throws TunnelError `invalid_option` if it is short enough to be guessed. */
  constructor(passcode: string) {
    this.#digest = checkedDigest(passcode);
  }

  /** Compares digests of one length in constant time: how long it takes tells nothing of the passcode. */
  isRight(typed: string): boolean {
    return timingSafeEqual(digestOf(normalPasscode(typed)), this.#digest);
  }

  renew(passcode: string): void {
    this.#digest = checkedDigest(passcode);
  }
}

function checkedDigest(passcode: string): Buffer {
  const normal = normalPasscode(passcode);
  if (normal.length >= minCharacters) return digestOf(normal);
  const message = `the passcode needs at least ${minCharacters} characters besides spaces and hyphens`;
  throw new TunnelError("invalid_option", message, { options: ["passcode"] });
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
