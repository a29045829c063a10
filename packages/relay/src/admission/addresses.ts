import { addressKey, type AddressRanges, plainAddress } from "mcp-tunnel-shared";

/** How many addresses are remembered with their keys. */
const maxKnown = 4_096;

/** The keys under which addresses count, found once for each address. */
export class AddressKeys {
  readonly #exempt: AddressRanges;
  /** Keys found before, because the look-up of an address in ranges costs a twentieth of a request. */
  readonly #known = new Map<string, string | undefined>();

  /** `exempt`: addresses that no limit per address applies to. */
  constructor(exempt: AddressRanges) {
    this.#exempt = exempt;
  }

  /** The key under which `address` counts; `undefined` when it is exempt. */
  of(address: string): string | undefined {
    const known = this.#known.get(address);
    if (known !== undefined || this.#known.has(address)) return known;
    const key = this.#find(address);
    // Strangers choose their addresses, so they may fill the map. An address that comes again is soon known
    // again.
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.set(address, key);
    return key;
  }

  #find(address: string): string | undefined {
    const plain = plainAddress(address);
    return this.#exempt.has(plain) ? undefined : addressKey(plain);
  }
}

/** Counts what each address has open: connections, say, or requests. */
export class Occupancy {
  readonly #open = new Map<string, number>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** The number of addresses that have something open. */
  get size(): number {
    return this.#open.size;
  }

  /** Takes a place; false when there is none left. */
  enter(key: string): boolean {
    const open = this.#open.get(key) ?? 0;
    if (open >= this.#max) return false;
    this.#open.set(key, open + 1);
    return true;
  }

  leave(key: string): void {
    const open = this.#open.get(key) ?? 0;
    if (open > 1) this.#open.set(key, open - 1);
    else this.#open.delete(key);
  }
}
