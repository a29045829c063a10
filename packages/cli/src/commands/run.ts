import { printableLines, stackOf } from "mcp-tunnel-shared";
import { endSignals } from "mcp-tunnel-shared/command";
import type { CommandOutput } from "../output/output.js";

/** What a command runs until somebody ends it, or it fails. */
export interface Running<Result> {
  start(): void;
  /** Asks it to end. A second call does not wait for what is open. */
  end(): void;
  readonly isClosing: boolean;
  readonly ended: Promise<Result>;
}

/**
 * Runs it until a signal or an error ends it. `onHangUp`: what SIGHUP means. Default: the end. `platform`:
 * for tests.
 */
export async function runUntilEnded<Result>(
  running: Running<Result>,
  output: CommandOutput,
  onHangUp?: () => void,
  platform: NodeJS.Platform = process.platform,
): Promise<Result> {
  const end = (): void => running.end();
  const cut = (): void => {
    running.end();
    running.end();
  };
  // Windows ends the process soon after the window of its console was closed. Open requests cannot finish,
  // but the relay and the servers can be told of the end.
  const hangUp = onHangUp ?? (platform === "win32" ? cut : end);
  const signals = endSignals.map((signal) => ({
    signal,
    listener: signal === "SIGHUP" ? hangUp : end,
  }));
  for (const { signal, listener } of signals) process.on(signal, listener);
  // The reader has left: `mcp-tunnel-client ... | head`. The end is asked for once only, because a second
  // call cuts, and Ctrl-C ends the reader of a pipeline too.
  output.onReaderGone = () => {
    if (!running.isClosing) running.end();
  };
  // An uncaught error is a bug. It costs one request at most. Without this listener it would cost the tunnel.
  process.on("uncaughtException", (error: unknown) => {
    output.err(`internal error, please report it: ${printableLines(stackOf(error))}`);
  });
  running.start();
  const result = await running.ended;
  // From here on signals have their usual effect.
  for (const { signal, listener } of signals) process.off(signal, listener);
  return result;
}
