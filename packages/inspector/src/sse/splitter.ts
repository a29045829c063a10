/** An event of an event stream, or a comment in it (HTML Standard, section 9.2.6). */
export interface SplitEvent {
  /** Name of the event; empty: `message`. */
  readonly event: string;
  /** The field `id`, if the event has one. */
  readonly id: string | undefined;
  readonly data: string;
  /** `data` is the text of a comment. */
  readonly isComment: boolean;
  /** Bytes as they passed, with the line ends. */
  readonly bytes: number;
  /** The data is longer than what is kept of it. */
  readonly isCut: boolean;
}
