/** The place to which lines go. */
export interface Output {
  out(line: string): void;
  err(line: string): void;
  readonly colors: boolean;
  /** The width of the terminal to which `out` goes. Undefined if there is none. */
  readonly columns?: number | undefined;
  /**
   * Where several tunnels share an output: whose lines these are, and the output without that label, for lines
   * that are pasted. Undefined: there is one tunnel.
   */
  readonly label?: Label | undefined;
}

export interface Label {
  readonly text: string;
  readonly plain: Output;
}

/** The output of a whole process. */
export interface CommandOutput extends Output {
  /** Called when nobody reads the standard output any more, as after `| head`. */
  onReaderGone: () => void;
}
