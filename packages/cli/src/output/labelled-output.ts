import picocolors from "picocolors";
import { printable } from "mcp-tunnel-shared";
import type { Label, Output, Screen } from "./output.js";

/** Of a name that does not fit. In columns, of the 80 that a line has. */
const maxWidth = 16;

/** Colours that say nothing else on the screen. */
const palette = ["cyan", "magenta", "blue"] as const;

/** The names of the tunnels that share a screen, in columns of one width. */
export class Labels {
  #names: readonly string[] = [];

  /** With one name there is nothing to tell apart, and no label. */
  set names(names: Iterable<string>) {
    this.#names = [...names];
  }

  get isShown(): boolean {
    return this.#names.length > 1;
  }

  /** Of the column and the space behind it. */
  get width(): number {
    return Math.min(maxWidth, Math.max(0, ...this.#names.map((name) => name.length))) + 1;
  }

  /** The label at the start of a line of the tunnel `name`. */
  textFor(name: string, colors: ReturnType<typeof picocolors.createColors>): string {
    const fitting = name.length <= maxWidth ? name : `${name.slice(0, maxWidth - 3)}...`;
    const color = palette[
      Math.max(0, this.#names.indexOf(name)) % palette.length
    ] as (typeof palette)[number];
    return colors[color](printable(fitting).padEnd(this.width));
  }
}

/** The output of one tunnel of several: each line begins with its name. */
export class LabelledOutput implements Output {
  readonly #plain: Output;
  readonly #labels: Labels;
  readonly #name: string;
  readonly #colors: ReturnType<typeof picocolors.createColors>;

  constructor(plain: Output, labels: Labels, name: string) {
    this.#plain = plain;
    this.#labels = labels;
    this.#name = name;
    this.#colors = picocolors.createColors(plain.colors);
  }

  get colors(): boolean {
    return this.#plain.colors;
  }

  get columns(): number | undefined {
    const { columns } = this.#plain;
    return columns === undefined || !this.#labels.isShown ? columns : columns - this.#labels.width;
  }

  get label(): Label | undefined {
    return this.#labels.isShown ? { text: this.#name, plain: this.#plain } : undefined;
  }

  get screen(): Screen | undefined {
    const { screen } = this.#plain;
    if (screen === undefined) return undefined;
    return {
      keep: (owner, text) => screen.keep(owner, text === undefined ? undefined : this.#keptText(text)),
      copy: (text) => screen.copy(text),
    };
  }

  out(line: string): void {
    this.#plain.out(this.#labelled(line));
  }

  err(line: string): void {
    this.#plain.err(this.#labelled(line));
  }

  /** The line that is kept has no columns, and no colours. */
  #keptText(text: string): string {
    return this.#labels.isShown ? `${printable(this.#name)}: ${text}` : text;
  }

  #labelled(line: string): string {
    return this.#labels.isShown ? this.#labels.textFor(this.#name, this.#colors) + line : line;
  }
}
