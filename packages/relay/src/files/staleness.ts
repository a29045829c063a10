import { oneLine, printable } from "mcp-tunnel-shared";

/** What a running relay reads again: its token file, a certificate in files, the certificate that it gets by ACME. */
export type StaleKind = (typeof staleKinds)[number];

export const staleKinds = ["tokens", "certificate", "acme"] as const;

/** Something that could not be read again. What was read before still holds. */
export interface StaleSource {
  kind: StaleKind;
  /** The file, or the URL of the ACME directory. */
  name: string;
  /** What was wrong at the last try, in one line. */
  problem: string;
  /** Since when, in milliseconds since 1970. */
  since: number;
}

/** Knows whether one source is stale. A log line passes by; the operator has to be able to see it later as well. */
export class Staleness {
  readonly #kind: StaleKind;
  readonly #name: string;
  #current: StaleSource | undefined;

  constructor(kind: StaleKind, name: string) {
    this.#kind = kind;
    this.#name = name;
  }

  get current(): StaleSource | undefined {
    return this.#current;
  }

  /** It could not be read. Returns whether that is news, so that a try every second does not fill the log. */
  failed(problem: string): boolean {
    const line = printable(oneLine(problem, "; "));
    const isNews = this.#current?.problem !== line;
    const since = this.#current?.since ?? Date.now();
    this.#current = { kind: this.#kind, name: this.#name, problem: line, since };
    return isNews;
  }

  refreshed(): void {
    this.#current = undefined;
  }
}
