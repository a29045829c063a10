import picocolors from "picocolors";
import { printable, printableJson, printableLines } from "mcp-tunnel-shared";
import type { Output } from "../output/output.js";

/** What a change of the config file did: the names of tunnels. */
export interface Changes {
  readonly started: readonly string[];
  /** Tunnels that were there with other settings. */
  readonly restarted: readonly string[];
  readonly ended: readonly string[];
}

/** Tells what concerns all tunnels of a config file. */
export interface FleetScreen {
  /** These tunnels of the file are being started. */
  starting(file: string, names: readonly string[]): void;
  /** The file was read again. */
  reloaded(file: string, changes: Changes): void;
  /** The file has mistakes now, and so nothing changes. `problem`: in lines. */
  notReloaded(problem: string): void;
  /** The inspector's page is at `url`, which has a secret in it. */
  inspector(url: string): void;
  /** What passes is written into `file`. */
  recording(file: string): void;
  /** Something that the person should know. `code`: for programs. */
  warn(code: string, message: string): void;
  /** A tunnel has failed, and so many others go on. */
  goingOn(tunnel: string, others: number): void;
}

export class HumanFleetScreen implements FleetScreen {
  readonly #output: Output;
  readonly #colors: ReturnType<typeof picocolors.createColors>;

  constructor(output: Output) {
    this.#output = output;
    this.#colors = picocolors.createColors(output.colors);
  }

  starting(file: string, names: readonly string[]): void {
    this.#output.err(this.#colors.dim(printable(`${names.join(", ")} of ${file}`)));
  }

  reloaded(file: string, { started, restarted, ended }: Changes): void {
    const what = [
      ...(started.length === 0 ? [] : [`started ${started.join(", ")}`]),
      ...(restarted.length === 0 ? [] : [`restarted ${restarted.join(", ")}`]),
      ...(ended.length === 0 ? [] : [`ended ${ended.join(", ")}`]),
    ];
    this.#output.err(printable(`${file} was read again: ${what.join("; ") || "nothing has changed"}`));
  }

  notReloaded(problem: string): void {
    const { yellow } = this.#colors;
    const [first = "", ...lines] = printableLines(problem).split("\n");
    this.#output.err(yellow(`warning: nothing was changed: ${first}`));
    for (const line of lines) this.#output.err(yellow(line));
  }

  inspector(url: string): void {
    this.#output.out(this.#colors.dim(`Inspector ${url}`));
  }

  recording(file: string): void {
    this.#output.out(this.#colors.dim(`Recording ${printable(file)}`));
  }

  warn(_code: string, message: string): void {
    this.#output.err(this.#colors.yellow(`warning: ${printable(message)}`));
  }

  goingOn(tunnel: string, others: number): void {
    const rest = others === 1 ? "the other tunnel goes on" : `${others} other tunnels go on`;
    this.#output.err(this.#colors.yellow(printable(`'${tunnel}' has ended; ${rest}`)));
  }
}

/** The event `config` for the file, and `left` for what goes on. */
export class JsonFleetScreen implements FleetScreen {
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  starting(file: string, names: readonly string[]): void {
    this.#line("config", { file, started: names, restarted: [], ended: [] });
  }

  reloaded(file: string, changes: Changes): void {
    this.#line("config", { file, ...changes });
  }

  notReloaded(problem: string): void {
    this.warn("config", problem);
  }

  inspector(url: string): void {
    this.#line("inspector", { url });
  }

  recording(): void {
    // Who starts the command for a program has named the file.
  }

  warn(code: string, message: string): void {
    this.#line("warning", { code, message });
  }

  goingOn(): void {
    // The event `error` of the tunnel has told it, and programs count for themselves.
  }

  #line(event: string, fields: object): void {
    this.#output.out(printableJson({ event, ...fields }));
  }
}
