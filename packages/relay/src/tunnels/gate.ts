/** The kinds of gates that ask each visitor for a proof. Many people share an address, so it is none. */
const proofs = ["bearer", "basic", "oauth"];

/**
 * Whether a client declares that each visitor has to prove something. It is the client's word, which a relay
 * cannot check. `kinds`: what the gate is, or nothing if there is none.
 */
export function asksForProof(kinds: readonly string[] | null | undefined): boolean {
  return kinds?.some((kind) => proofs.includes(kind)) === true;
}

/** A gate in a word for people: `oauth,bearer`, or `addresses`; `undefined` if there is none. */
export function gateText(kinds: readonly string[] | null | undefined): string | undefined {
  if (kinds === null || kinds === undefined) return undefined;
  return kinds.length === 0 ? "addresses" : kinds.join(",");
}
