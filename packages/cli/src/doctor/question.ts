/** A request that the doctor makes. */
export interface Question {
  readonly method: string;
  /** The request target. */
  readonly path: string;
  /** Default: none but what the way of asking needs. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Whether the head is enough, or how the end of reading is found. Default: all of the body is read. */
  readonly enough?: (head: AnswerHead) => boolean | PieceJudge;
  /** How much of the body is kept, in bytes. Default {@link maxAnswerBytes}. */
  readonly maxBytes?: number;
}

/**
 * Whether there is enough of the body with this piece of it. It is asked of each piece alone: a stranger may
 * send a mebibyte in pieces of one byte, and to look at all that came before would take minutes.
 */
export type PieceJudge = (piece: Buffer) => boolean;

export interface AnswerHead {
  readonly status: number;
  /** Several fields of one name are joined by commas. The names are in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** An answer to a {@link Question}. All of it is a stranger's. */
export interface Answer extends AnswerHead {
  readonly body: Buffer;
}

/** Asks a service or a public URL. Rejects if there is no answer. */
export type Ask = (question: Question, signal: AbortSignal) => Promise<Answer>;

/** How much of an answer is kept, in bytes. */
export const maxAnswerBytes = 1_048_576;

/** Gathers the body of an answer, until there is enough of it. */
export class AnswerReader {
  readonly #question: Question;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #head: AnswerHead | undefined;
  #judge: PieceJudge | undefined;

  constructor(question: Question) {
    this.#question = question;
  }

  /** Takes the head. True if that is enough. */
  begin(head: AnswerHead): boolean {
    this.#head = head;
    const enough = this.#question.enough?.(head) ?? false;
    if (typeof enough === "boolean") return enough;
    this.#judge = enough;
    return false;
  }

  /** Takes a piece of the body, which it copies. True if no more is wanted. */
  take(chunk: Buffer): boolean {
    const { maxBytes = maxAnswerBytes } = this.#question;
    const kept = Buffer.from(chunk.subarray(0, maxBytes - this.#bytes));
    this.#bytes += kept.length;
    this.#chunks.push(kept);
    return this.#bytes >= maxBytes || this.#judge?.(kept) === true;
  }

  /** What came so far; undefined before the head. */
  get answer(): Answer | undefined {
    return this.#head === undefined ? undefined : { ...this.#head, body: Buffer.concat(this.#chunks) };
  }
}

/** The fields of a head, whose names and values take turns. */
export function fieldsOf(raw: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = Object.create(null) as Record<string, string>;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    const value = raw[i + 1] as string;
    fields[name] = name in fields ? `${fields[name]}, ${value}` : value;
  }
  return fields;
}
