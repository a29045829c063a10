import { request } from "node:http";
import { request as requestSecurely } from "node:https";
import type { RunningCommand } from "../../support/commands.js";
import { connectHttp2Visitor, get } from "../../support/secure.js";

/** The command's words for an unexpected error. An error code alone may come from the other end. */
const fault = /"level":50|uncaught error|internal error/;

/** A command that has to stay up under any attack. */
export class Survivor<Command extends RunningCommand> {
  readonly #start: () => Promise<Command>;
  #running: Command | undefined;
  #judged = { stdout: 0, stderr: 0 };

  constructor(start: () => Promise<Command>) {
    this.#start = start;
  }

  /** The command. It is started again if it has ended: shrinking tries a finding again and again. */
  async get(): Promise<Command> {
    if (this.#running === undefined || this.#ended) {
      this.#running = await this.#start();
      this.#judged = { stdout: 0, stderr: 0 };
    }
    return this.#running;
  }

  /** The last part of its output, for error messages. */
  get said(): string {
    return this.#running?.output.slice(-2_000) ?? "nothing";
  }

  get #ended(): boolean {
    return this.#running?.child.exitCode !== null || this.#running.child.signalCode !== null;
  }

  /**
   * Checks the output since the last time. `mayEnd`: the command may have ended with these statuses, if it
   * told a reason.
   * @throws Error when the command has ended, or reported an unexpected error.
   */
  check(mayEnd: readonly number[] = []): void {
    const command = this.#running;
    if (command === undefined) return;
    for (const name of ["stdout", "stderr"] as const) {
      const lines = command[name].slice(this.#judged[name]);
      this.#judged[name] = command[name].length;
      const found = lines.find((line) => fault.test(line));
      if (found !== undefined) throw new Error(`it said: ${found}`);
    }
    const { exitCode, signalCode } = command.child;
    if (this.#ended && !mayEnd.includes(exitCode ?? -1)) {
      throw new Error(`it ended with ${signalCode ?? exitCode}: ${this.said}`);
    }
  }

  async close(): Promise<void> {
    await this.#running?.close();
  }

  /** Kills the command. The next {@link get} starts another one. */
  async kill(): Promise<void> {
    this.#running?.child.kill("SIGKILL");
    await this.#running?.exited;
  }
}

let asked = 0;

/**
 * A visitor who asks for /honest/N of a tunnel, over TLS if he trusts the authority `ca`.
 * @throws Error unless the answer is exactly the service's answer to that.
 */
export async function honestExchange(port: number, host = "demo.localhost", ca?: string): Promise<void> {
  asked += 1;
  const { status, text } = await new Promise<{ status: number | undefined; text: string }>(
    (resolve, reject) => {
      const options = { host: "127.0.0.1", port, path: `/honest/${asked}`, agent: false, headers: { host } };
      const req = ca === undefined ? request(options) : requestSecurely({ ...options, ca, servername: host });
      req.setTimeout(10_000, () => req.destroy(new Error("no honest answer in 10 s")));
      req.on("error", reject);
      req.on("response", (res) => {
        let text = "";
        res.setEncoding("latin1");
        res.on("data", (chunk: string) => {
          text += chunk;
        });
        res.on("end", () => resolve({ status: res.statusCode, text }));
        res.on("error", reject);
      });
      req.end();
    },
  );
  expectHonest(status, text);
}

/** The same over HTTP/2. */
export async function honestHttp2Exchange(port: number, host: string, ca: string): Promise<void> {
  asked += 1;
  const session = await connectHttp2Visitor(port, host, ca);
  try {
    const { status, body } = await get(session, `/honest/${asked}`);
    expectHonest(status, body);
  } finally {
    session.destroy();
  }
}

function expectHonest(status: number | undefined, text: string): void {
  if (status === 200 && text === honestAnswer(`/honest/${asked}`)) return;
  throw new Error(`an honest visitor got ${status} ${JSON.stringify(text.slice(0, 200))}`);
}

/** The answer of these tests' services to honest visitors. */
export const honestAnswer = (path: string): string => `the answer to ${path}`;
