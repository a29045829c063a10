import { randomUUID } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TunnelError } from "mcp-tunnel-protocol";
import { FileWatch, readRegularFile, withinFileTime } from "mcp-tunnel-config/files";
import type { Certificate } from "../certificate.js";
import type { ResolvedAcmeOptions } from "./options.js";
import { type AcmeStore, authorityName, certificateOf, pemOf } from "./store.js";

/** The store of the relays of one machine: a folder that only their user can read. */
export class FolderStore implements AcmeStore {
  readonly lookMs = undefined;
  readonly #folder: string;
  readonly follow: AcmeStore["follow"];

  /**
   * Each authority has a folder of its own, so that a test authority's certificate is not served as a real
   * one. `follows`: another process orders the certificates.
   */
  constructor({
    storage,
    directory,
    follows,
  }: Pick<ResolvedAcmeOptions, "storage" | "directory" | "follows">) {
    this.#folder = join(storage, authorityName(directory));
    if (follows === true) this.follow = (domain, read) => this.#watch(domain, read);
  }

  #watch(domain: string, read: (isRetry: boolean) => Promise<boolean>): FileWatch {
    const watch = new FileWatch([join(this.#folder, `${domain}.pem`)], read);
    watch.start();
    return watch;
  }

  accountKey(): Promise<string | undefined> {
    return this.#read("account.key");
  }

  saveAccountKey(pem: string): Promise<void> {
    return this.#write("account.key", pem);
  }

  async certificate(domain: string): Promise<Certificate | undefined> {
    const pem = await this.#read(`${domain}.pem`);
    return pem === undefined ? undefined : certificateOf(pem, join(this.#folder, `${domain}.pem`));
  }

  saveCertificate(domain: string, certificate: Certificate): Promise<void> {
    return this.#write(`${domain}.pem`, pemOf(certificate));
  }

  /** Nobody else asks. */
  async takeTurn(): Promise<boolean> {
    return true;
  }

  async endTurn(): Promise<void> {}

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
