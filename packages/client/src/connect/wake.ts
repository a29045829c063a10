import { networkInterfaces } from "node:os";

const pollMs = 1_000;
/**
 * A tick that is later than this, in milliseconds, means that the machine slept or the process was stopped.
 */
const jumpMs = 5_000;

/**
 * Notices that the machine woke up or that its network addresses changed. Both are a reason to check a
 * connection, or to make an attempt, at once.
 */
export class WakeWatch {
  readonly #timer: NodeJS.Timeout;
  readonly #onWake: () => void;
  // The wall clock, because the monotonic clock stands still while a machine sleeps, on Linux and macOS.
  #lastTick = Date.now();
  /** The last known addresses. */
  #addresses = localAddresses();

  constructor(onWake: () => void) {
    this.#onWake = onWake;
    this.#timer = setInterval(() => this.#tick(), pollMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = Date.now();
    const slept = now - this.#lastTick > pollMs + jumpMs;
    this.#lastTick = now;
    const addresses = localAddresses();
    const moved = addresses !== undefined && this.#addresses !== undefined && addresses !== this.#addresses;
    this.#addresses = addresses ?? this.#addresses;
    if (slept || moved) this.#onWake();
  }
}

/**
 * All addresses of this machine that lead to other machines, as one string to compare. Undefined if they are
 * not known now.
 */
function localAddresses(): string | undefined {
  const addresses: string[] = [];
  try {
    for (const list of Object.values(networkInterfaces())) {
      for (const { internal, address } of list ?? []) if (!internal) addresses.push(address);
    }
  } catch {
    // This call needs a file descriptor, and the program may have used up its own.
    return undefined;
  }
  return addresses.sort().join(" ");
}
