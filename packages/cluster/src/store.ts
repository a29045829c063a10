import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import type { Engine } from "./engine/engine.js";
import type { SharedStore, SharedText } from "./member.js";

const cipher = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/** The form, which key it was sealed with, and in base64url the nonce, the tag and what is sealed. */
const sealedForm = /^1\.(?<id>[\da-f]{16})\.(?<sealed>[\w-]+)$/;

/**
 * Texts that relays share, sealed: whoever reads Redis, or a copy of its memory on a disk, learns no key of a
 * certificate. What is derived from the secret for one use tells nothing of other uses (RFC 5869).
 */
export class SealedStore implements SharedStore {
  readonly #engine: Engine;
  readonly #node: string;
  readonly #key: Buffer;
  /** Tells relays with another secret that they cannot open it. */
  readonly #keyId: string;

  constructor(engine: Engine, node: string, secret: string | Buffer) {
    const derived = (use: string, bytes: number): Buffer =>
      Buffer.from(hkdfSync("sha256", secret, "", `mcp-tunnel shared text: ${use}`, bytes));
    this.#engine = engine;
    this.#node = node;
    this.#key = derived("key", 32);
    this.#keyId = derived("id of the key", 8).toString("hex");
  }

  async read(key: string): Promise<SharedText | undefined> {
    const found = await this.#engine.read(key);
    return found && { text: this.#open(key, found.text), revision: found.revision };
  }

  async write(key: string, text: string, expected: number): Promise<boolean> {
    return await this.#engine.write(key, this.#seal(key, text), expected);
  }

  async lock(key: string, ms: number): Promise<boolean> {
    return await this.#engine.lock(key, this.#node, ms);
  }

  #seal(key: string, text: string): string {
    const nonce = randomBytes(nonceBytes);
    const sealing = createCipheriv(cipher, this.#key, nonce).setAAD(Buffer.from(key));
    const sealed = Buffer.concat([sealing.update(text, "utf8"), sealing.final()]);
    return `1.${this.#keyId}.${Buffer.concat([nonce, sealing.getAuthTag(), sealed]).toString("base64url")}`;
  }

  /** The key of the engine is bound to it, so that no text passes for that of another key. */
  #open(key: string, text: string): string | undefined {
    const { id, sealed } = sealedForm.exec(text)?.groups ?? {};
    if (sealed === undefined || id !== this.#keyId) return undefined;
    const bytes = Buffer.from(sealed, "base64url");
    if (bytes.length < nonceBytes + tagBytes) return undefined;
    const opening = createDecipheriv(cipher, this.#key, bytes.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    });
    opening.setAAD(Buffer.from(key)).setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
    try {
      const opened = opening.update(bytes.subarray(nonceBytes + tagBytes));
      return Buffer.concat([opened, opening.final()]).toString("utf8");
    } catch {
      return undefined;
    }
  }
}
