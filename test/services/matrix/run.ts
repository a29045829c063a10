import { request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { RunningCommand, type RunOptions } from "../../support/commands.js";
import { freePort } from "../../support/free-port.js";
import type { Service } from "./matrix.js";

/**
 * Starts a program that listens on the given port, and waits until it answers a request, with any status.
 * Most servers do not say when they listen, and some say it too early.
 * @throws Error with the whole output, if the program ends or does not answer within 30 s.
 */
export async function startServer(
  program: string,
  args: (port: number) => readonly string[],
  options: RunOptions | ((port: number) => RunOptions) = {},
): Promise<Service> {
  const port = await freePort();
  const runOptions = typeof options === "function" ? options(port) : options;
  const command = new RunningCommand(program, args(port), runOptions);
  // The deadline also ends a request that the server has taken and never answers.
  const deadline = AbortSignal.timeout(30_000);
  while (!(await answers(port, deadline))) {
    if (deadline.aborted || command.child.exitCode !== null) {
      await command.close();
      throw new Error(`${program} does not answer; it said:\n${command.output}`);
    }
    await delay(50);
  }
  return { port, close: () => command.close() };
}

function answers(port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ host: "localhost", port, path: "/", agent: false, signal }, (response) => {
      response.destroy();
      resolve(true);
    });
    asked.on("error", () => resolve(false));
    asked.end();
  });
}
