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
  readonly onWake: () => void;

  constructor(onWake: () => void) {
    this.onWake = onWake;
    machine.add(this);
  }

  stop(): void {
    machine.remove(this);
  }
}

/**
 * Looks at the machine once a second for all watches of this process. Asking for the addresses takes tens of
 * microseconds: with hundreds of tunnels in a process, each with a watch of its own, it took a twelfth of the
 * time of a busy process (measured: docs/performance-history.md).
 */
class Machine {
  readonly #watches = new Set<WakeWatch>();
  #timer: NodeJS.Timeout | undefined;
  // The wall clock, because the monotonic clock stands still while a machine sleeps, on Linux and macOS.
  #lastTick = 0;
  /** The last known addresses. */
  #addresses: string | undefined;

  add(watch: WakeWatch): void {
    this.#watches.add(watch);
    if (this.#timer !== undefined) return;
    this.#lastTick = Date.now();
    this.#addresses = localAddresses();
    this.#timer = setInterval(() => this.#tick(), pollMs).unref();
  }

  remove(watch: WakeWatch): void {
    this.#watches.delete(watch);
    if (this.#watches.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const now = Date.now();
    const slept = now - this.#lastTick > pollMs + jumpMs;
    this.#lastTick = now;
    const addresses = localAddresses();
    const moved = addresses !== undefined && this.#addresses !== undefined && addresses !== this.#addresses;
    this.#addresses = addresses ?? this.#addresses;
    if (!slept && !moved) return;
    for (const { onWake } of this.#watches) onWake();
  }
}

const machine = new Machine();

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
