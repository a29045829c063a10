import { oneLine, printable } from "mcp-tunnel-shared";

/**
 * Sources that a running relay reads again: its token file, a certificate in files, a certificate from ACME.
 *
 * @useDeclaredType
 */
export type StaleKind = (typeof staleKinds)[number];

export const staleKinds = ["tokens", "certificate", "acme"] as const;

/** A source that could not be read again. What was read before still holds. */
export interface StaleSource {
  /** Which of the sources it is. */
  kind: StaleKind;
  /** The file, or the URL of the ACME directory. */
  name: string;
  /** The problem at the last try, in one line. */
  problem: string;
  /** Time of the first failure, in milliseconds since 1970. */
  since: number;
}

/**
 * Remembers whether one source is stale, because the operator has to see it later too, when the log line is
 * gone.
 */
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

  /**
   * Records a failed try. Returns whether the problem is new, so that a try every second does not fill the
   * log.
   */
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
