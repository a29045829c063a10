import { networkInterfaces } from "node:os";

const pollMs = 1_000;
/** A tick later than this means that the machine slept, or the process was stopped. */
const jumpMs = 5_000;

/**
 * Notices what makes a connection worth checking, or an attempt worth making, at once: the machine woke up, or its network
 * addresses changed.
 */
export class WakeWatch {
  readonly #timer: NodeJS.Timeout;
  readonly #onWake: () => void;
  // The wall clock: the monotonic one stands still while a machine sleeps, on Linux and macOS.
  #lastTick = Date.now();
  /** The last ones known. */
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

/** All addresses of this machine that lead anywhere else, as one string to compare; undefined if they are not known now. */
function localAddresses(): string | undefined {
  const addresses: string[] = [];
  try {
    for (const list of Object.values(networkInterfaces())) {
      for (const { internal, address } of list ?? []) if (!internal) addresses.push(address);
    }
  } catch {
    // Asking the system takes a file descriptor, and the program may have used up its own.
    return undefined;
  }
  return addresses.sort().join(" ");
}
