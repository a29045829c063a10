import { appendFileSync } from "node:fs";

/**
 * How often a failure is tried: `few` in `npm run test:cluster`; `many` in `npm run chaos`, unless
 * `--repetitions` says less.
 */
export function repetitions(few: number, many: number): number {
  const most = process.env["MCP_TUNNEL_CHAOS_REPETITIONS"];
  return most === undefined ? few : Math.min(many, Number(most));
}

/** `npm run chaos` runs the whole: thousands of tunnels, and not hundreds. */
export const isWhole = process.env["MCP_TUNNEL_CHAOS_REPETITIONS"] !== undefined;

/** Times in milliseconds of what was repeated, in words. */
export class Times {
  readonly #values: number[] = [];

  add(ms: number): void {
    this.#values.push(ms);
  }

  /** Adds how long this took. */
  async of<T>(work: Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const value = await work;
    this.add(performance.now() - startedAt);
    return value;
  }

  toString(): string {
    const sorted = this.#values.toSorted((a, b) => a - b);
    const at = (part: number): string =>
      inWords(sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN);
    return `${at(0.5)} (median; 95 of 100 ${at(0.95)}, at most ${at(1)})`;
  }
}

function inWords(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** A row of the failure matrix: what was seen. */
export interface Row {
  readonly failure: string;
  readonly repetitions: number;
  readonly visitor: string;
  readonly client: string;
}

/** Tells a row of the table, and keeps it where `npm run chaos` looks for it. */
export function note(row: Row): void {
  const { failure, repetitions: times, visitor, client } = row;
  console.info(`${failure}, ${times} times\n  visitor: ${visitor}\n  client: ${client}`);
  const file = process.env["MCP_TUNNEL_CHAOS_ROWS"];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(row)}\n`);
}
