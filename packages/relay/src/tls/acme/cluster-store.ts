import type { SharedStore } from "mcp-tunnel-cluster/relay";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import type { Certificate } from "../certificate.js";
import { type AcmeStore, authorityName, certificateOf, pemOf, turnMs } from "./store.js";

/** The store of a relay in a cluster: what one relay has obtained, all of them serve. */
export class ClusterStore implements AcmeStore {
  readonly lookMs = 5_000;
  readonly #store: SharedStore;
  readonly #prefix: string;
  /** The revision of each key that this relay has read or written, 0 for none. */
  readonly #revisions = new Map<string, number>();
  #last: { readonly revision: number; readonly certificate: Certificate } | undefined;

  constructor(store: SharedStore, directory: string) {
    this.#store = store;
    this.#prefix = `acme.${authorityName(directory)}`;
  }

  async accountKey(): Promise<string | undefined> {
    return (await this.#read(this.#key("account")))?.text;
  }

  async saveAccountKey(pem: string): Promise<void> {
    if (await this.#write(this.#key("account"), pem)) return;
    throw new TunnelError("unavailable", "another relay of the cluster has made an ACME account meanwhile");
  }

  async certificate(domain: string): Promise<Certificate | undefined> {
    const key = this.#key(domain);
    const stored = await this.#read(key);
    if (stored === undefined) return undefined;
    const { text, revision } = stored;
    if (this.#last?.revision !== revision) {
      this.#last = { revision, certificate: certificateOf(text, `the cluster's ${key}`) };
    }
    return this.#last.certificate;
  }

  /** If another relay has stored one meanwhile, that one is as good, and stays. */
  async saveCertificate(domain: string, certificate: Certificate): Promise<void> {
    const key = this.#key(domain);
    if (!(await this.#write(key, pemOf(certificate)))) return;
    this.#last = { revision: this.#revisions.get(key) ?? 0, certificate };
  }

  takeTurn(domain: string): Promise<boolean> {
    return this.#store.lock(this.#key(domain), turnMs);
  }

  async endTurn(domain: string): Promise<void> {
    await this.#store.lock(this.#key(domain), 1);
  }

  #key(what: string): string {
    return `${this.#prefix}.${what}`;
  }

  async #read(key: string): Promise<{ readonly text: string; readonly revision: number } | undefined> {
    const shared = await this.#store.read(key);
    this.#revisions.set(key, shared?.revision ?? 0);
    if (shared === undefined) return undefined;
    const { text, revision } = shared;
    if (text !== undefined) return { text, revision };
    throw unusable(
      `the cluster's ${key} was stored with another --cluster-secret: give this relay the secret of the ` +
        `others. If all relays have a new one, delete the key of Redis that ends with 'text:${key}'`,
      { options: ["cluster-secret", "cluster-secret-file"] },
    );
  }

  async #write(key: string, text: string): Promise<boolean> {
    const revision = this.#revisions.get(key) ?? 0;
    const isWritten = await this.#store.write(key, text, revision);
    if (isWritten) this.#revisions.set(key, revision + 1);
    return isWritten;
  }
}
