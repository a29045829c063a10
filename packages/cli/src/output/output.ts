/** The place to which lines go. */
export interface Output {
  out(line: string): void;
  err(line: string): void;
  readonly colors: boolean;
  /** The width of the terminal to which `out` goes. Undefined if there is none. */
  readonly columns?: number | undefined;
  /**
   * Where several tunnels share an output: whose lines these are, and the output without that label, for
   * lines that are pasted. Undefined: there is one tunnel.
   */
  readonly label?: Label | undefined;
  /** Undefined if there is no terminal that could show it. */
  readonly screen?: Screen | undefined;
}

export interface Label {
  readonly text: string;
  readonly plain: Output;
}

/** What a terminal can do besides taking lines. */
export interface Screen {
  /**
   * Keeps a text of `owner` in a line below all others, in the place of its last one. Undefined takes it
   * away. Of several owners the newest has the line. The text is plain ASCII, and cut where the terminal
   * ends.
   */
  keep(owner: object, text: string | undefined): void;
  /** Asks the terminal to put a text into the clipboard. It does not say whether it has. */
  copy(text: string): void;
}

/** The output of a whole process. */
export interface CommandOutput extends Output {
  /** Called when nobody reads the standard output any more, as after `| head`. */
  onReaderGone: () => void;
}
