import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Interface } from "node:readline";
import { promisify } from "node:util";

/** How long the terminal is read after somebody has asked, in milliseconds. A page waits no longer. */
const askedMs = 600_000;

/**
 * Reads the numbers that the owner types while somebody waits for his approval. At other times nothing reads
 * the terminal. It stays in its usual mode, so that Ctrl-C is a signal as ever.
 */
export class Approvals {
  readonly #input: NodeJS.ReadableStream;
  readonly #onNumber: (number: string) => void;
  readonly #mayRead: () => boolean | Promise<boolean>;
  #reading: { readonly lines: Interface; timer: NodeJS.Timeout } | undefined;
  /** How often it was stopped. */
  #stops = 0;
  readonly #onContinued = (): void => {
    // The answer may take a while, and nothing is read meanwhile.
    this.stop();
    void this.begin();
  };

  /** `mayRead`: for tests. */
  constructor(
    input: NodeJS.ReadableStream,
    onNumber: (number: string) => void,
    mayRead: () => boolean | Promise<boolean> = isForeground,
  ) {
    this.#input = input;
    this.#onNumber = onNumber;
    this.#mayRead = mayRead;
  }

  /**
   * Somebody asks. False if nobody can answer here: the command runs in the background, or has had Ctrl-D.
   */
  async begin(): Promise<boolean> {
    const stops = this.#stops;
    if (!(await this.#mayRead()) || !this.#input.readable || stops !== this.#stops) return false;
    if (this.#reading === undefined) {
      const lines = createInterface({ input: this.#input, terminal: false });
      lines.on("line", (line) => {
        if (line.trim() !== "") this.#onNumber(line.trim());
      });
      // Ctrl-D, or the terminal is gone.
      lines.on("close", () => this.stop());
      lines.on("error", () => this.stop());
      // A command that is stopped (Ctrl-Z) may go on in the background.
      process.on("SIGCONT", this.#onContinued);
      this.#reading = { lines, timer: this.#timer() };
    } else {
      clearTimeout(this.#reading.timer);
      this.#reading.timer = this.#timer();
    }
    return true;
  }

  /** Leaves the terminal alone. */
  stop(): void {
    this.#stops += 1;
    const reading = this.#reading;
    if (reading === undefined) return;
    this.#reading = undefined;
    clearTimeout(reading.timer);
    process.off("SIGCONT", this.#onContinued);
    // This also pauses the input, which then keeps no process.
    reading.lines.close();
  }

  #timer(): NodeJS.Timeout {
    return setTimeout(() => this.stop(), askedMs).unref();
  }
}

/**
 * Whether the process may read its terminal. A process in the background (`mcp-tunnel-client ... &`) is
 * stopped by the system when it tries (SIGTTIN), so that a stranger who asks would stop the tunnel. Linux
 * tells it in a file (proc_pid_stat(5): fields 5 and 8), and other systems by the program ps.
 */
function isForeground(): boolean | Promise<boolean> {
  // There is no background of this kind.
  if (process.platform === "win32") return true;
  try {
    const stat = readFileSync("/proc/self/stat", "latin1");
    // The name of the program, in brackets, may have spaces and brackets.
    const [, , , group, , , foreground] = stat.slice(stat.lastIndexOf(")") + 1).split(" ");
    // Without a controlling terminal nothing is in the background.
    if (group !== undefined && foreground !== undefined) return group === foreground || foreground === "-1";
  } catch {
    // It is not Linux.
  }
  return isForegroundByPs(process.pid);
}

/** How long ps may take, in milliseconds. */
const psTimeoutMs = 1_000;

/** A `+` among the letters of the state stands for the foreground. Without ps nothing is read. */
export async function isForegroundByPs(pid: number, ps = "ps"): Promise<boolean> {
  try {
    const options = { timeout: psTimeoutMs };
    const { stdout } = await promisify(execFile)(ps, ["-o", "stat=", "-p", String(pid)], options);
    return stdout.includes("+");
  } catch {
    return false;
  }
}
