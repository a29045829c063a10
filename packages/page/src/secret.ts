import { stored } from "./storage.ts";

/** The secret of a page's API, in the memory of one tab. A reload has it from there. */
export class TabSecret {
  readonly #storageKey: string;
  #value: string | undefined;

  /**
   * `storageKey`: another for each kind of page. After one program another may have the address, and is not
   * to get the secret of the first.
   */
  constructor(storageKey: string) {
    this.#storageKey = storageKey;
  }

  get value(): string | undefined {
    return this.#value;
  }

  /**
   * Takes the secret out of the fragment of the URL, so that neither the history nor a copied URL has it.
   * Without a fragment, what is stored is taken.
   * @returns Whether the fragment had a secret.
   */
  take(): boolean {
    const given = location.hash.slice(1);
    if (given === "") {
      this.#value = stored(() => sessionStorage.getItem(this.#storageKey)) ?? undefined;
      return false;
    }
    history.replaceState(history.state, "", location.pathname + location.search);
    this.keep(given);
    return true;
  }

  keep(secret: string): void {
    this.#value = secret;
    stored(() => sessionStorage.setItem(this.#storageKey, secret));
  }

  forget(): void {
    this.#value = undefined;
    stored(() => sessionStorage.removeItem(this.#storageKey));
  }
}
