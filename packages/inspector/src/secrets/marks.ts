import { createHmac } from "node:crypto";

/** A part of a text that is a secret. */
export interface Secret {
  readonly start: number;
  readonly end: number;
  /** Stands before and after the mark, where a number was. */
  readonly quote?: string;
}

/**
 * Secrets of one view that have marks. A mark is a hash, and a text of strangers may have 100,000 secrets.
 */
const maxMarked = 5_000;

/** What stands in the place of secrets, and what they were. */
export class Marks {
  readonly #key: Buffer | undefined;
  /** The marks of the secrets, and the other way round. */
  readonly #marks = new Map<string, string>();
  readonly #values = new Map<string, string>();

  /** `key`: that of the marks. Undefined: all secrets look the same, and nobody can ask for one. */
  constructor(key: Buffer | undefined) {
    this.#key = key;
  }

  get count(): number {
    return this.#marks.size;
  }

  find(mark: string): string | undefined {
    return this.#values.get(mark);
  }

  markOf(value: string): string {
    if (value === "" || isMark(value)) return value;
    const known = this.#marks.get(value);
    if (known !== undefined) return known;
    const shown =
      this.#key === undefined || this.#values.size >= maxMarked ? "[hidden]" : this.#marked(this.#key, value);
    this.#marks.set(value, shown);
    return shown;
  }

  #marked(key: Buffer, value: string): string {
    const mark = createHmac("sha256", key).update(value).digest("hex").slice(0, 8);
    this.#values.set(mark, value);
    return `[hidden:${mark}]`;
  }

  /** Replaces the secrets, which may overlap, and come in any order. */
  replace(text: string, secrets: readonly Secret[]): string {
    if (secrets.length === 0) return text;
    const parts: string[] = [];
    let done = 0;
    for (const { start, end, quote = "" } of joined(secrets)) {
      parts.push(text.slice(done, start), quote, this.markOf(text.slice(start, end)), quote);
      done = end;
    }
    parts.push(text.slice(done));
    return parts.join("");
  }
}

/** What was hidden already stays as it is, so that its mark can still be looked up. */
function isMark(value: string): boolean {
  return /^\[hidden(?::[\da-f]{8})?\]$/.test(value);
}

function joined(secrets: readonly Secret[]): Secret[] {
  // Of those that begin at one place, the first has its end and its quote.
  const sorted = [...secrets].sort((a, b) => a.start - b.start || b.end - a.end);
  const all: Secret[] = [];
  for (const secret of sorted) {
    const last = all.at(-1);
    if (last === undefined || secret.start >= last.end) all.push(secret);
    else if (secret.end > last.end) all[all.length - 1] = { ...last, end: secret.end };
  }
  return all;
}
