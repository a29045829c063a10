import { rmSync } from "node:fs";
import { dirname } from "node:path";
import type { Command } from "commander";
import type { Member } from "mcp-tunnel-cluster/relay";
import { TunnelError } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import type { RelayOptions } from "../../options.js";
import type { Logger } from "../../telemetry/log.js";
import { readOptions, relayOptionsOf } from "../options/read-options.js";
import { CommandFailure } from "../output/output.js";
import { type Logs, openLogs } from "../serving/logs.js";
import { logWarnings, makeServed, type Served, surviveFaults, tellListening } from "../serving/served.js";
import { answerOf } from "./answers.js";
import { workerVariable } from "./is-worker.js";
import type { FromWorker, ToWorker, WorkerSetup } from "./messages.js";

/**
 * Runs one of several processes, as the primary says. If the primary dies, node:cluster ends this process,
 * because the channel to the primary is gone.
 */
export async function runWorker(command: Command): Promise<void> {
  // A terminal and a service manager signal all processes of a group. The primary says what that means.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
  // Programs that this process starts are no workers.
  delete process.env[workerVariable];
  const worker = new WorkerProgram(command);
  process.on("message", (message: ToWorker) => worker.onMessage(message));
  say({ kind: "hello" });
  await worker.ended;
}

/** What a worker does, message by message. */
class WorkerProgram {
  /** Rejects with a bug, for whoever started the program. Never resolves: the process exits. */
  readonly ended: Promise<never>;
  readonly #command: Command;
  #fail: (error: unknown) => void = () => {};
  #logs: Logs | undefined;
  #served: Served | undefined;
  #mayEnd: () => void = () => {};

  constructor(command: Command) {
    this.#command = command;
    this.ended = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
  }

  onMessage(message: ToWorker): void {
    this.#take(message).catch((error: unknown) => this.#end(error));
  }

  async #take(message: ToWorker): Promise<void> {
    switch (message.kind) {
      case "begin":
        return await this.#begin(message.setup);
      case "listen":
        return await this.#listen();
      case "announce": {
        const { host, port } = message;
        if (this.#served === undefined || this.#logs === undefined) return;
        tellListening(this.#command.opts(), this.#served.options, { host, port }, this.#logs.logger);
        return;
      }
      case "reload":
        return await this.#served?.relay.reload();
      case "close":
        return await this.#close(message.graceMs);
      case "end":
        return this.#mayEnd();
      case "ask":
        return await this.#answer(message);
    }
  }

  async #begin(setup: WorkerSetup): Promise<void> {
    process.once("exit", () => removeDeserted(setup));
    const options = await readOptions(this.#command);
    this.#logs = await openLogs(options, { worker: setup.worker, format: setup.logFormat });
    logWarnings(this.#logs.logger);
    const relayOptions = await this.#relayOptions(setup, this.#logs.logger);
    this.#served = await makeServed(this.#command, relayOptions, this.#logs);
    say({ kind: "prepared", reads: this.#served.reads });
  }

  async #relayOptions(setup: WorkerSetup, logger: Logger): Promise<RelayOptions> {
    const { sockets, worker, place } = setup;
    const member = await this.#memberAt(place, logger);
    const share = { sockets, peerOffset: worker - 1, member };
    const options = await relayOptionsOf(this.#command, logger, share);
    const { tls } = options;
    // What workers keep among themselves ends with the primary, and a certificate has to outlive it.
    if (tls?.acme === undefined || place === undefined) return options;
    return { ...options, tls: { ...tls, acme: { ...tls.acme, follows: worker > 1 } } };
  }

  async #memberAt(place: WorkerSetup["place"], logger: Logger): Promise<Member | undefined> {
    if (place === undefined) return undefined;
    const { createMember, RpcEngine } = await import("mcp-tunnel-cluster");
    return createMember({
      engine: new RpcEngine(place.engine),
      secret: place.secret,
      listen: { path: place.socket },
      endTogether: () =>
        new Promise((resolve) => {
          this.#mayEnd = resolve;
          say({ kind: "idle" });
        }),
      logger,
    });
  }

  async #listen(): Promise<void> {
    if (this.#served === undefined || this.#logs === undefined) return;
    const address = await this.#served.relay.listen().catch((error: unknown) => {
      // The same options may work on another day.
      throw error instanceof TunnelError ? new CommandFailure(error.message, { cause: error }) : error;
    });
    surviveFaults(this.#logs.logger);
    say({ kind: "listening", ...address });
  }

  async #close(graceMs: number): Promise<void> {
    await this.#served?.relay.close(graceMs);
    await this.#exit(0);
  }

  async #answer({ id, question }: Extract<ToWorker, { kind: "ask" }>): Promise<void> {
    if (this.#served === undefined) return;
    try {
      say({ kind: "answer", id, value: await answerOf(this.#served, question) });
    } catch (error) {
      say({ kind: "answer", id, error: messageOf(error) });
    }
  }

  /** The primary says why, once for all workers. A bug it cannot explain. */
  async #end(error: unknown): Promise<void> {
    if (!(error instanceof TunnelError) && !(error instanceof CommandFailure)) return this.#fail(error);
    const code = error instanceof TunnelError ? error.code : undefined;
    await new Promise<void>((resolve) => {
      say({ kind: "failed", code, message: error.message }, resolve);
    });
    await this.#exit(1);
  }

  async #exit(status: number): Promise<void> {
    if (this.#logs === undefined) process.exit(status);
    await this.#logs.output.exit(status);
  }
}

function say(message: FromWorker, sent: () => void = () => {}): void {
  // The channel is gone with the primary, and with it soon this process.
  process.send?.(message, undefined, {}, () => sent());
}

/** A primary that was killed has left the folder of the sockets, and nobody else knows of it. */
function removeDeserted({ place }: WorkerSetup): void {
  if (place === undefined || process.connected) return;
  rmSync(dirname(place.engine), { recursive: true, force: true });
}
