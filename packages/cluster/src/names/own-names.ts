import type { Claimant, ClientIdentity } from "../directory.js";
import type { Held } from "../engine/engine.js";
import { infoOf } from "../info.js";

/** A tunnel of this relay that has its name. */
export interface Own {
  readonly claimant: Claimant;
  /** The fence: see Entry. */
  readonly gen: number;
}

/** A claim that the engine has granted, to a tunnel of any relay. */
export interface Granted {
  readonly name: string;
  readonly gen: number;
  readonly by: ClientIdentity;
  readonly pool: string | undefined;
}

/** The tunnels of this relay that have their names, as far as this relay knows. */
export class OwnNames {
  /** Mostly one for each name; several of a pool. */
  readonly #names = new Map<string, readonly Own[]>();

  get(name: string): readonly Own[] {
    return this.#names.get(name) ?? none;
  }

  of(claimant: Claimant): Own | undefined {
    return this.get(claimant.name).find((own) => own.claimant === claimant);
  }

  add(own: Own): void {
    const { name } = own.claimant;
    this.#names.set(name, [...this.get(name), own]);
  }

  /** Takes a tunnel away, and returns it if it was there. */
  take(name: string, gen: number): Own | undefined {
    const taken = this.get(name).find((own) => own.gen === gen);
    if (taken !== undefined) this.#keep(name, (own) => own !== taken);
    return taken;
  }

  /** Takes those away that have lost their name by a claim, and returns them. */
  takeDisplaced(claim: Granted): readonly Own[] {
    const displaced = this.get(claim.name).filter((own) => isDisplaced(own, claim));
    if (displaced.length > 0) this.#keep(claim.name, (own) => !displaced.includes(own));
    return displaced;
  }

  /** For the engine, which compares it with what it knows. */
  held(): Held[] {
    return [...this.#names.values()].flat().map(({ claimant, gen }) => {
      const { name, info, isMoving } = claimant;
      return { name, gen, info: infoOf(info), moving: isMoving };
    });
  }

  #keep(name: string, isKept: (own: Own) => boolean): void {
    const kept = this.get(name).filter(isKept);
    if (kept.length === 0) this.#names.delete(name);
    else this.#names.set(name, kept);
  }
}

const none: readonly Own[] = [];

/** Whether a tunnel has lost its name by a claim, in the terms of {@link Engine.claim}. */
export function isDisplaced({ claimant, gen }: Own, claim: Granted): boolean {
  if (gen >= claim.gen) return false;
  const { pool, owner } = claimant.info;
  const isFellow = pool !== undefined && pool === claim.pool && owner === claim.by.owner;
  return !isFellow || claimant.isOfClient(claim.by);
}
