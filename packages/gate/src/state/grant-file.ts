import { join } from "node:path";
import { anything, listOf, mapOf, number, objectOf, text } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import type { GrantInfo, GrantStorage, StoredGrants, StoredRecord } from "../grants.js";
import type { AskedFolder } from "./asked.js";
import { fileVersion, readJson, writePrivate } from "./files.js";
import type { Holder } from "./holder.js";

const shape = objectOf<StoredGrants>({
  version: fileVersion,
  origin: text(),
  grants: listOf(
    objectOf<GrantInfo>({
      id: text().refine((id) => id !== "", "a string that is not empty"),
      clientId: text(),
      clientName: text(),
      user: text(),
      sinceMs: number(),
      lastUsedMs: number(),
    }),
  ),
  records: listOf(
    objectOf<StoredRecord>({
      model: text(),
      id: text(),
      payload: mapOf(anything),
      // JSON leaves out what is undefined.
      expiresAtMs: number().optional(),
    }),
  ),
});

/** The grants of a slot; undefined if there were none yet. @throws TunnelError `unavailable`. */
export function readGrants(slot: string): StoredGrants | undefined {
  const without = "The tunnel then starts without grants, and every host has to log in again";
  return readJson(grantPath(slot), shape, without);
}

export interface GrantFileOptions {
  /** The folder of the slot. */
  readonly slot: string;
  readonly holder: Holder;
  readonly asked: AskedFolder;
  readonly onNotice: (text: string) => void;
}

/**
 * Keeps grants in `grants.json`. Only the holder of the slot writes the file, so that no lock is needed. One
 * write is going on at a time. Changes during a write make one more write.
 *
 * If the slot is taken between the check and the write, one snapshot of the former holder may replace one of
 * the new. The new holder's next change mends that, and the relay closes the former holder with 4002.
 */
export class GrantFile implements GrantStorage {
  readonly #options: GrantFileOptions;
  readonly #path: string;
  /** `due`: the write begins at the end of this turn, so that all changes of the turn are one write. */
  #state: "idle" | "due" | "writing" | "closed" = "idle";
  /** What has to be written. */
  #snapshot: (() => StoredGrants) | undefined;
  /** Revocations that the gate was told of, and whose files were not removed yet. */
  readonly #told = new Set<string>();
  #listener: ((grants: readonly string[]) => void) | undefined;
  #write: Promise<void> = Promise.resolve();
  /** The person was told why nothing can be written. */
  #isFailing = false;

  constructor(options: GrantFileOptions) {
    this.#options = options;
    this.#path = grantPath(options.slot);
  }

  read(): StoredGrants | undefined {
    return readGrants(this.#options.slot);
  }

  changed(snapshot: () => StoredGrants): void {
    this.#snapshot = snapshot;
    this.retry();
  }

  /** The listener is called at once for what was revoked while no client ran. */
  onRevoke(listener: (grants: readonly string[]) => void): void {
    this.#listener = listener;
    this.take(this.#options.asked.read().revoked);
  }

  /** Another process has revoked these grants: the gate is told, unless it was already. */
  take(revoked: readonly string[]): void {
    if (this.#listener === undefined) return;
    const news = revoked.filter((id) => !this.#told.has(id));
    if (news.length === 0) return;
    for (const id of news) this.#told.add(id);
    this.#listener(news);
    // The gate may not know the grants, and so may have nothing to write: a client was killed between the
    // write and the removal.
    if (this.#state === "idle") void this.#begin();
  }

  /** Writes what could not be written before. */
  retry(): void {
    if (this.#state !== "idle" || this.#snapshot === undefined) return;
    this.#state = "due";
    setImmediate(() => {
      if (this.#state === "due") void this.#begin();
    });
  }

  async close(): Promise<void> {
    this.#listener = undefined;
    if (this.#state === "writing") await this.#write;
    if (this.#state !== "closed" && this.#snapshot !== undefined) await this.#begin();
    this.#state = "closed";
  }

  #begin(): Promise<void> {
    this.#state = "writing";
    this.#write = this.#writeAll();
    return this.#write;
  }

  async #writeAll(): Promise<void> {
    try {
      const isHeld = await this.#options.holder.keep();
      if (!isHeld) throw new Error("another client was started with the same relay, token and name");
      while (this.#snapshot !== undefined) await this.#writeOne(this.#snapshot);
      this.#isFailing = false;
      this.#acknowledge();
    } catch (error) {
      if (!this.#isFailing) {
        this.#options.onNotice(
          `grants are not kept: ${messageOf(error)}. Until they are, they end with this process`,
        );
      }
      this.#isFailing = true;
    }
    this.#state = "idle";
  }

  async #writeOne(snapshot: () => StoredGrants): Promise<void> {
    this.#snapshot = undefined;
    try {
      await writePrivate(this.#path, `${JSON.stringify(snapshot())}\n`);
    } catch (error) {
      this.#snapshot ??= snapshot;
      throw error;
    }
  }

  /** A grant is revoked for good once it is gone from the file. Another client may have written that last. */
  #acknowledge(): void {
    if (this.#told.size === 0) return;
    const kept = new Set(readGrants(this.#options.slot)?.grants.map(({ id }) => id));
    for (const id of this.#told) {
      if (kept.has(id)) continue;
      this.#options.asked.removeRevoked(id);
      this.#told.delete(id);
    }
  }
}

function grantPath(slot: string): string {
  return join(slot, "grants.json");
}
