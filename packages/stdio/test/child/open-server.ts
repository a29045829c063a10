import { execFileSync } from "node:child_process";
import { createReadStream, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { Processes } from "../../src/child/processes.js";
import type { StdioEvent } from "../../src/events.js";
import { resolveOptions, type StdioOptions } from "../../src/options.js";
import type { OpenPipe, Pipe, PipeEnd } from "../../src/pipe.js";

export interface OpenedServer {
  readonly test: TestProcesses;
  readonly pipe: Pipe;
  /** The texts of its messages. */
  readonly messages: string[];
  drains: number;
  readonly end: Promise<PipeEnd>;
}

/** The processes of a test. They end with it. */
export class TestProcesses {
  readonly processes: Processes;
  readonly events: StdioEvent[] = [];
  readonly #onChange = new Set<() => void>();

  constructor(options: StdioOptions) {
    this.processes = new Processes(
      resolveOptions({
        exitGraceMs: 10_000,
        killGraceMs: 10_000,
        ...options,
        onEvent: (event) => {
          this.events.push(event);
          this.#changed();
        },
      }),
    );
    onTestFinished(() => this.processes.close());
  }

  open(openPipe: OpenPipe = this.processes.open("session")): OpenedServer {
    let onEnd!: (end: PipeEnd) => void;
    const opened: Omit<OpenedServer, "pipe"> = {
      test: this,
      messages: [],
      drains: 0,
      end: new Promise((resolve) => {
        onEnd = resolve;
      }),
    };
    const pipe = openPipe({
      onMessage: ({ text }) => {
        opened.messages.push(text);
        this.#changed();
      },
      onDrain: () => {
        opened.drains += 1;
        this.#changed();
      },
      onEnd,
    });
    return Object.assign(opened, { pipe });
  }

  /** The lines that were told as events of this type. */
  lines(type: "stderr" | "stray"): string[] {
    return this.events.flatMap((event) => (event.type === type ? [event.line] : []));
  }

  /** Resolves when `condition` holds: it is looked at after each message, event and drain. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        this.#onChange.delete(look);
        resolve();
      };
      this.#onChange.add(look);
      look();
    });
  }

  #changed(): void {
    for (const look of this.#onChange) look();
  }
}

/** One server that is a script of the shell. */
export function openShell(script: string, options: Partial<StdioOptions> = {}): OpenedServer {
  return new TestProcesses({ command: "sh", args: ["-c", script], ...options }).open();
}

export function temporaryFolder(): string {
  // macOS has its temporary folder behind a link, and Windows by a short name.
  const folder = mkdtempSync(join(realpathSync.native(tmpdir()), "mcp-tunnel-stdio-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

export interface Fifo {
  /** Processes open it for writing, and pass it on to those that they start. */
  readonly path: string;
  /** What they have written until now. */
  readonly text: () => string;
  /** Resolves when `count` lines were written. */
  readonly lines: (count: number) => Promise<void>;
  /** Resolves when all of them are gone. */
  readonly gone: Promise<void>;
}

/** A pipe with a name. Its end comes when the last process that holds it is gone, whoever that is. */
export function makeFifo(): Fifo {
  const path = join(temporaryFolder(), "fifo");
  execFileSync("mkfifo", [path]);
  const stream = createReadStream(path, "utf8");
  let text = "";
  const onText = new Set<() => void>();
  stream.on("data", (chunk) => {
    text += String(chunk);
    for (const look of onText) look();
  });
  return {
    path,
    text: () => text,
    lines: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (text.split("\n").length > count) resolve();
        };
        onText.add(look);
        look();
      }),
    gone: new Promise((resolve) => {
      stream.on("close", resolve);
    }),
  };
}

/**
 * The numbers of the processes that have `mark` in the environment that they were started with. Linux only.
 */
export function processesWith(mark: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/environ`, "latin1").includes(mark);
      } catch {
        return false;
      }
    })
    .map(Number);
}
