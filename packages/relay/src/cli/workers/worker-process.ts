import cluster, { type Worker } from "node:cluster";
import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { TunnelError } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import { CommandFailure } from "../output/output.js";
import { workerVariable } from "./is-worker.js";
import { eachLine } from "./lines.js";
import type { FromWorker, ToWorker, WorkerAnswers, WorkerQuestion, WorkerSetup } from "./messages.js";

/** How long a worker may take to answer, in milliseconds. Longer than the relays take to ask one another. */
const answerTimeoutMs = 4_000;
/** How long the last lines of a process may take. A program that it has started may keep its output open. */
const lastLinesMs = 500;

/** The messages that a worker says once. */
type Milestone = Extract<FromWorker, { kind: "prepared" | "listening" | "idle" }>;

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** One process of a worker, from its start to its end, as the primary sees it. */
export class WorkerProcess {
  readonly worker: number;
  /** Resolves when the process is gone and its lines are written: with why it ended, in words. */
  readonly ended: Promise<string>;
  readonly #process: Worker;
  readonly #milestones = new Map<Milestone["kind"], Milestone>();
  readonly #hearers = new Map<Milestone["kind"], Waiting>();
  readonly #asked = new Map<number, Waiting>();
  /** What was said before the process heard anything: node:cluster would lose it. */
  #unsaid: ToWorker[] | undefined = [];
  #lastId = 0;
  #failure: Error | undefined;
  #isEnded = false;

  /** Starts the process. `write` takes its lines, for the standard output (1) or error (2). */
  constructor(setup: WorkerSetup, env: NodeJS.ProcessEnv, write: (fd: number, line: string) => void) {
    const { worker } = setup;
    this.worker = worker;
    this.#process = cluster.fork({ ...env, [workerVariable]: String(worker) });
    const { process: child } = this.#process;
    // A message that can no longer be sent is for a process whose end is about to be told. node:cluster
    // passes errors on.
    this.#process.on("error", () => {});
    // A process that could not be started for want of file descriptors has no output.
    const lines = [child.stdout, child.stderr].flatMap((stream: Readable | null | undefined, i) =>
      stream == null ? [] : [eachLine(stream, (line) => write(i + 1, line))],
    );
    child.on("message", (message: FromWorker) => this.#onMessage(message, setup));
    this.ended = endOf(child).then(async (how) => {
      this.#onEnded(`worker ${worker} ${how}`);
      await Promise.race([Promise.all(lines), delay(lastLinesMs)]);
      return this.#failure?.message ?? how;
    });
  }

  get pid(): number {
    return this.#process.process.pid as number;
  }

  get isListening(): boolean {
    return !this.#isEnded && this.#milestones.has("listening");
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  send(message: ToWorker): void {
    if (this.#unsaid !== undefined) this.#unsaid.push(message);
    else if (this.#process.isConnected()) this.#process.process.send(message);
  }

  /**
   * The message of this kind, when it comes.
   * @throws TunnelError or CommandFailure: the process has ended before.
   */
  async hear<Kind extends Milestone["kind"]>(kind: Kind): Promise<Extract<Milestone, { kind: Kind }>> {
    const heard = this.#milestones.get(kind);
    if (heard !== undefined) return heard as Extract<Milestone, { kind: Kind }>;
    if (this.#failure !== undefined && this.#isEnded) throw this.#failure;
    return await new Promise((resolve, reject) => {
      this.#hearers.set(kind, { resolve, reject });
    });
  }

  /** @throws CommandFailure: the process does not answer, or could not. */
  async ask<Question extends WorkerQuestion>(question: Question): Promise<WorkerAnswers[Question["about"]]> {
    if (this.#isEnded) throw new CommandFailure(`worker ${this.worker} has ended`);
    const id = ++this.#lastId;
    const answer = new Promise<never>((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
    });
    const timer = setTimeout(() => {
      this.#asked.get(id)?.reject(new CommandFailure(`worker ${this.worker} does not answer`));
    }, answerTimeoutMs);
    this.send({ kind: "ask", id, question });
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
      this.#asked.delete(id);
    }
  }

  kill(): void {
    this.#process.process.kill("SIGKILL");
  }

  #onMessage(message: FromWorker, setup: WorkerSetup): void {
    switch (message.kind) {
      case "hello": {
        const unsaid = this.#unsaid ?? [];
        this.#unsaid = undefined;
        for (const said of [{ kind: "begin", setup } as const, ...unsaid]) this.send(said);
        return;
      }
      case "answer": {
        const asked = this.#asked.get(message.id);
        if ("error" in message) asked?.reject(new CommandFailure(message.error));
        else asked?.resolve(message.value as never);
        return;
      }
      case "failed": {
        const { code, message: text } = message;
        this.#failure = code === undefined ? new CommandFailure(text) : new TunnelError(code, text);
        return;
      }
      default:
        this.#milestones.set(message.kind, message);
        this.#hearers.get(message.kind)?.resolve(message as never);
    }
  }

  #onEnded(how: string): void {
    this.#isEnded = true;
    this.#failure ??= new CommandFailure(how);
    for (const { reject } of [...this.#hearers.values(), ...this.#asked.values()]) reject(this.#failure);
  }
}

/** Resolves with how the process has ended. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) =>
      resolve(signal === null ? `ended with status ${code}` : `was killed by ${signal}`),
    );
    child.on("error", (error) => {
      // A process that the system has not started has no id, and no exit is told of it.
      if (child.pid === undefined) resolve(`could not be started: ${messageOf(error)}`);
    });
  });
}
