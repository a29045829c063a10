import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { readPrivate, readPrivateLater, writePrivate } from "./files.js";

/** Marks that clients of this process hold. */
const heldHere = new Set<string>();

/**
 * Who runs the tunnel of a slot, and so writes `grants.json` and `slot.json`: the client that was started
 * last, as with the name at the relay. Its process id and a random mark stand in the file `holder`. A client
 * that has lost the slot to another keeps its grants in memory, and takes the slot again once the other has
 * ended.
 */
export class Holder {
  readonly #path: string;
  readonly #mark = randomBytes(8).toString("hex");

  constructor(folder: string) {
    this.#path = holderPath(folder);
  }

  /** @throws TunnelError `unavailable`. */
  async take(): Promise<void> {
    await writePrivate(this.#path, `${process.pid} ${this.#mark}\n`);
    heldHere.add(this.#mark);
  }

  /** Another client has the slot. @throws TunnelError `unavailable`. */
  get isLost(): boolean {
    return this.#isOther(readHolder(this.#path));
  }

  /**
   * Takes the slot if nobody else holds it. Returns whether it is held.
   * @throws TunnelError `unavailable`.
   */
  async keep(): Promise<boolean> {
    const found = holderIn(await readPrivateLater(this.#path));
    if (this.#isOther(found)) return false;
    if (found?.mark !== this.#mark) await this.take();
    return true;
  }

  #isOther(found: Found | undefined): boolean {
    return found !== undefined && found.mark !== this.#mark && isAlive(found);
  }

  release(): void {
    heldHere.delete(this.#mark);
    // A file that cannot be read or removed is another's business now.
    try {
      if (readHolder(this.#path)?.mark === this.#mark) rmSync(this.#path, { force: true });
    } catch {}
  }
}

/** Whether a process runs the tunnel of the slot in this folder. @throws TunnelError `unavailable`. */
export function isHeld(folder: string): boolean {
  const found = readHolder(holderPath(folder));
  return found !== undefined && isAlive(found);
}

/**
 * Whether the slot was not given back: by a client that runs or was killed. A process of another container
 * may run although nothing here has its number.
 */
export function mayBeHeld(folder: string): boolean {
  return readHolder(holderPath(folder)) !== undefined;
}

interface Found {
  readonly pid: number;
  readonly mark: string;
}

function holderPath(folder: string): string {
  return join(folder, "holder");
}

function readHolder(path: string): Found | undefined {
  return holderIn(readPrivate(path));
}

function holderIn(text: string | undefined): Found | undefined {
  const [, pid, mark] = /^(\d{1,10}) ([0-9a-f]{16})\n$/.exec(text ?? "") ?? [];
  return pid === undefined || mark === undefined ? undefined : { pid: Number(pid), mark };
}

function isAlive({ pid, mark }: Found): boolean {
  // In a container each run has the number of the one before.
  if (pid === process.pid) return heldHere.has(mark);
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // There is none, or it is another user's (EPERM): the file is this user's, so that is not the holder.
    return false;
  }
}
