import { randomBytes } from "node:crypto";
import { existsSync, type FSWatcher, rmSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createPrivate, namesIn, namesInLater } from "./files.js";
import { mayBeHeld } from "./holder.js";
import type { Taken } from "./slot.js";

// What other processes ask of the client that runs a tunnel: empty files in the folder `asked` of the slot.
//
//     revoke-<id in hex>    the grant is revoked; removed once a snapshot without the grant is in grants.json
//     renew-<random>        secrets were rotated; removed once the gate uses them
//
// That the client removes a file is its acknowledgement. If no client runs, the file waits for the next one.
// Others only create these files, and only the client removes them, so that no lock is needed.

/** How often the folder is looked at besides the events, in milliseconds. */
const lookIntervalMs = 1_000;
/** How long another process waits for the client, in milliseconds. */
const takenTimeoutMs = 2_000;
const takenPollMs = 20;

export interface Asked {
  /** Ids of grants that are revoked. */
  readonly revoked: readonly string[];
  /** Names of files that say that secrets were rotated. */
  readonly renewals: readonly string[];
}

/** The folder `asked` of a slot. */
export class AskedFolder {
  readonly path: string;
  readonly #slot: string;

  constructor(slot: string) {
    this.path = join(slot, "asked");
    this.#slot = slot;
  }

  /** @throws TunnelError `unavailable`. */
  read(): Asked {
    return askedBy(namesIn(this.path));
  }

  /** The same for a client that runs. @throws TunnelError `unavailable`. */
  async readLater(): Promise<Asked> {
    return askedBy(await namesInLater(this.path));
  }

  removeRevoked(id: string): void {
    this.remove(revokeName(id));
  }

  remove(name: string): void {
    rmSync(join(this.path, name), { force: true });
  }

  /** Asks for grants to be revoked, and waits for the client. @throws TunnelError `unavailable`. */
  revoke(ids: readonly string[]): Promise<Taken> {
    return this.#ask(ids.map(revokeName));
  }

  /**
   * Says that secrets were rotated, and waits for the client. Each rotation has a file of its own: the client
   * may just be removing that of the one before. @throws TunnelError `unavailable`.
   */
  renew(): Promise<Taken> {
    return this.#ask([`renew-${randomBytes(8).toString("hex")}`]);
  }

  async #ask(names: readonly string[]): Promise<Taken> {
    const paths = names.map((name) => join(this.path, name));
    // A file that is there already asks for the same.
    for (const path of paths) await createPrivate(path, "");
    const deadline = performance.now() + takenTimeoutMs;
    while (paths.some((path) => existsSync(path))) {
      if (!mayBeHeld(this.#slot) || performance.now() > deadline) return "waiting";
      await delay(takenPollMs);
    }
    return "taken";
  }
}

/**
 * Calls `look` when something may have changed in a folder: upon events, and every second. Events alone are
 * not enough: on network file systems there are none of other machines, and the kernel may have no watch
 * left.
 */
export class FolderWatch {
  readonly #timer: NodeJS.Timeout;
  #watcher: FSWatcher | undefined;

  constructor(path: string, look: () => void) {
    this.#timer = setInterval(look, lookIntervalMs).unref();
    try {
      this.#watcher = watch(path, { persistent: false }, look);
      this.#watcher.on("error", () => this.#watcher?.close());
    } catch {
      // The looks every second remain.
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watcher?.close();
  }
}

function askedBy(names: readonly string[]): Asked {
  return {
    revoked: names.map(revokedBy).filter((id) => id !== undefined),
    renewals: names.filter((name) => /^renew-[0-9a-f]+$/.test(name)),
  };
}

/** Ids are written in hex: they may differ by case alone, and macOS and Windows take such names for one. */
function revokeName(id: string): string {
  return `revoke-${Buffer.from(id).toString("hex")}`;
}

function revokedBy(name: string): string | undefined {
  const hex = /^revoke-((?:[0-9a-f]{2})+)$/.exec(name)?.[1];
  return hex === undefined ? undefined : Buffer.from(hex, "hex").toString();
}
