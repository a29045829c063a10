import { stored } from "./storage.ts";

const storageKey = "mcp-tunnel-inspector-secret";
let secret: string | undefined;

/**
 * Takes the secret out of the fragment of the URL, into the memory of this tab. A reload has it from there;
 * neither the history nor a copied URL has it. Without a fragment, what is stored is taken.
 * @returns Whether the fragment had a secret.
 */
export function takeSecret(): boolean {
  const given = location.hash.slice(1);
  if (given === "") {
    secret = stored(() => sessionStorage.getItem(storageKey)) ?? undefined;
    return false;
  }
  history.replaceState(history.state, "", location.pathname + location.search);
  secret = given;
  stored(() => sessionStorage.setItem(storageKey, given));
  return true;
}

export function secretOf(): string | undefined {
  return secret;
}

export function forgetSecret(): void {
  secret = undefined;
  stored(() => sessionStorage.removeItem(storageKey));
}
