import type { GateKind } from "./options.js";

/** What a relay is told of a gate. */
export interface GateDeclaration {
  readonly kinds: readonly GateKind[];
  /** The same for two gates with the same settings. It reveals none of them. */
  readonly digest: string;
}
