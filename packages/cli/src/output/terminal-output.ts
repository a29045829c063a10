import { isatty } from "node:tty";
import { isReaderGone, LineOutput } from "mcp-tunnel-shared/command";
import type { CommandOutput, Screen } from "./output.js";
import { KeptLine } from "./kept-line.js";

/** How long a line may wait for others, in milliseconds. */
const gatherMs = 20;
/** How many characters may wait for a reader. */
const maxWaitingLength = 1_048_576;

/**
 * The standard output and the standard error, in one order. A terminal that is paused (Ctrl-S) does not stop
 * the tunnel.
 */
export class TerminalOutput implements CommandOutput {
  readonly colors = isatty(1) && process.env["NO_COLOR"] === undefined;
  /** Asked once, because each answer is a call of the system. */
  readonly #isTerminal = isatty(1);
  readonly #lines: LineOutput;
  readonly #kept: KeptLine | undefined;
  /** Lines of the standard error are on the same screen. */
  readonly #isErrorOnScreen = isatty(2);
  onReaderGone = (): void => {};
  #isReaderGone = false;

  constructor() {
    this.#lines = new LineOutput({
      gatherMs,
      maxWaitingLength,
      onLost: (lines) => this.err(`lines lost because nobody read them in time: ${lines}`),
      onFailed: (fd, error) => this.#onFailed(fd, error),
    });
    // A terminal without a size, or without a cursor that moves, shows lines alone.
    const canMove = this.columns !== undefined && process.env["TERM"] !== "dumb";
    this.#kept = canMove ? new KeptLine(this.#lines, () => this.columns ?? 80) : undefined;
  }

  get screen(): Screen | undefined {
    return this.#kept;
  }

  get columns(): number | undefined {
    // A terminal that does not know its size says 0.
    return this.#isTerminal && process.stdout.columns > 0 ? process.stdout.columns : undefined;
  }

  out(line: string): void {
    if (this.#isReaderGone) return;
    this.#lines.write(1, this.#kept === undefined ? `${line}\n` : this.#kept.above(line));
  }

  err(line: string): void {
    const kept = this.#isErrorOnScreen ? this.#kept : undefined;
    this.#lines.write(2, kept === undefined ? `${line}\n` : kept.above(line));
  }

  /** Ends the process with `status` when all is written, or its reader does not take it in time. */
  exit(status: number): Promise<void> {
    this.#kept?.end();
    return this.#lines.exit(status);
  }

  #onFailed(fd: number, error: NodeJS.ErrnoException): void {
    // Nobody reads the standard error, so nobody can be told of the loss.
    if (fd === 2) return;
    if (isReaderGone(error)) {
      this.#isReaderGone = true;
      this.onReaderGone();
      return;
    }
    // The disk is full, say. The tunnel is worth more than its lines.
    this.err(`cannot write to the standard output (${error.message}): lines are lost`);
  }
}
