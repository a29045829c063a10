import { randomUUID } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TunnelError } from "mcp-tunnel-protocol";
import { readRegularFile, withinFileTime } from "mcp-tunnel-config/files";
import { Certificate } from "../certificate.js";

/** Stores the account's key, and the certificate with its key, because these have to outlive the process. */
export class AcmeStorage {
  readonly #folder: string;

  /**
   * Each authority has a folder of its own, so that a test authority's certificate is not served as a real
   * one.
   */
  constructor(folder: string, directory: string) {
    const { host, pathname } = new URL(directory);
    this.#folder = join(folder, `${host}${pathname}`.replace(/[^a-z0-9.]+/gi, "-"));
  }

  /** The account's key as PEM; `undefined` when there is none yet. */
  accountKey(): Promise<string | undefined> {
    return this.#read("account.key");
  }

  saveAccountKey(pem: string): Promise<void> {
    return this.#write("account.key", pem);
  }

  /**
   * @throws TunnelError `unavailable` when the file cannot be read; `invalid_option` when it is no
   * certificate with its key.
   */
  async certificate(domain: string): Promise<Certificate | undefined> {
    const pem = await this.#read(`${domain}.pem`);
    if (pem === undefined) return undefined;
    // Key and certificates are taken apart, because OpenSSL does not promise to find one among the others.
    const blocks = pem.match(/-----BEGIN ([A-Z ]+)-----[^-]*-----END \1-----\n?/g) ?? [];
    const isKey = (block: string): boolean => block.startsWith("-----BEGIN PRIVATE KEY");
    const cert = blocks.filter((block) => !isKey(block)).join("");
    return new Certificate(cert, blocks.filter(isKey).join(""), join(this.#folder, `${domain}.pem`));
  }

  /** Writes key and certificate to one file, so that no reader ever sees one without the other. */
  saveCertificate(domain: string, certificate: Certificate): Promise<void> {
    return this.#write(`${domain}.pem`, `${certificate.key.trimEnd()}\n${certificate.cert.trimEnd()}\n`);
  }

  async #read(name: string): Promise<string | undefined> {
    try {
      return await withinFileTime(readRegularFile(join(this.#folder, name)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw unavailable(error, "read", join(this.#folder, name));
    }
  }

  async #write(name: string, content: string): Promise<void> {
    const path = join(this.#folder, name);
    const temporary = `${path}.${randomUUID()}`;
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await writeFile(temporary, content, { mode: 0o600, flag: "wx", flush: true });
      await rename(temporary, path);
    } catch (error) {
      throw unavailable(error, "write", path);
    }
  }
}

function unavailable(error: unknown, what: "read" | "write", file: string): TunnelError {
  const message = `cannot ${what} ${file}: ${(error as Error).message}`;
  return new TunnelError("unavailable", message, { cause: error, file });
}
