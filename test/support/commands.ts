import { type ChildProcess, spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { SharedSocket } from "./shared-socket.js";
import { settingsIn } from "./systems.js";

/** The commands, as the `bin` entries of their packages name them. They run the built code. */
export const commands = {
  relay: fileURLToPath(new URL("../../packages/relay/bin/mcp-tunnel.js", import.meta.url)),
  client: fileURLToPath(new URL("../../packages/cli/bin/mcp-tunnel-client.js", import.meta.url)),
  stdio: fileURLToPath(new URL("../../packages/stdio/bin/mcp-tunnel-stdio.js", import.meta.url)),
};

export type JsonLine = Record<string, unknown>;

export interface RunOptions {
  /** Set on top of the inherited environment. */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /**
   * Makes the command the leader of a process group, as a terminal does. `interrupt` then reaches the whole
   * group.
   */
  ownGroup?: boolean;
  /** A file descriptor of this process that the command gets as its descriptor 3. */
  fd?: number;
  /** What the command reads on its standard input. Default: nothing. */
  input?: string;
}

export interface ProgramOptions {
  /** The file of the command, of another release for example. Default: today's. */
  program?: string;
}

/** A process under test, with all its output. */
export class RunningCommand {
  readonly child: ChildProcess;
  /** Every line of stdout so far. */
  readonly stdout: string[] = [];
  /** Every line of stderr so far. */
  readonly stderr: string[] = [];
  /** The lines of stdout that are JSON objects. */
  readonly json: JsonLine[] = [];
  /** Resolves when the process has ended and its whole output has been read. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #waiters = new Set<() => void>();
  #ended = false;

  constructor(command: string, args: readonly string[], options: RunOptions = {}) {
    this.child = spawn(command, args, {
      stdio: [
        options.input === undefined ? "ignore" : "pipe",
        "pipe",
        "pipe",
        ...(options.fd === undefined ? [] : [options.fd]),
      ],
      env: cleanEnvironment(options.env),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      detached: options.ownGroup ?? false,
    });
    // A command that does not want all of it has closed the pipe.
    this.child.stdin?.on("error", () => {}).end(options.input);
    const kill = (): void => {
      this.child.kill("SIGKILL");
    };
    process.once("exit", kill);
    const read = (stream: NodeJS.ReadableStream, onLine: (line: string) => void): void => {
      createInterface({ input: stream }).on("line", (line) => {
        onLine(line);
        this.#wake();
      });
    };
    read(this.child.stdout as NodeJS.ReadableStream, (line) => {
      this.stdout.push(line);
      const value = parseObject(line);
      if (value !== undefined) this.json.push(value);
    });
    read(this.child.stderr as NodeJS.ReadableStream, (line) => this.stderr.push(line));
    this.exited = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("close", (code, signal) => {
        process.off("exit", kill);
        this.#ended = true;
        this.#wake();
        resolve({ code, signal });
      });
    });
    // A caller that awaits `exited` sees the error. For all others, the wait in progress fails.
    this.exited.catch(() => this.#wake());
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** The whole output, for error messages. */
  get output(): string {
    return [...this.stdout, ...this.stderr].join("\n");
  }

  /**
   * Waits until `find` returns something. It looks again whenever the process writes something.
   * @throws Error with the whole output, if the process ends first or `timeoutMs` (default 15,000) pass.
   */
  async waitFor<T>(what: string, find: () => T | undefined, timeoutMs = 15_000): Promise<T> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`the process ended before ${what}; it said:\n${this.output}`);
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`no ${what} within ${timeoutMs} ms; it said:\n${this.output}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.#waiters.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, leftMs);
        this.#waiters.add(wake);
      });
    }
  }

  /** Waits for a JSON line on stdout that has all of `fields`, or for the `nth` such line (from 1). */
  waitForJson(fields: JsonLine, nth = 1): Promise<JsonLine> {
    const matches = (line: JsonLine): boolean =>
      Object.entries(fields).every(([key, value]) => line[key] === value);
    return this.waitFor(`line with ${JSON.stringify(fields)}`, () => this.json.filter(matches)[nth - 1]);
  }

  /** Does the same as Ctrl-C in a terminal: SIGINT to the whole process group. Needs `ownGroup`. */
  interrupt(): void {
    process.kill(-this.pid, "SIGINT");
  }

  /**
   * Sends SIGTERM, and SIGKILL if that has no effect within 10 seconds. Resolves when the process is gone.
   */
  async close(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    if (!this.#ended) this.child.kill("SIGTERM");
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 10_000);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }
}

/** A relay command that is listening. */
export interface RelayCommand extends RunningCommand {
  port: number;
}

/**
 * Starts the relay command with JSON logs for the domain `localhost`, on a free port unless `args` give
 * another, and waits until it listens. `program`: the file of another release's command.
 */
export async function startRelayCommand(
  args: readonly string[] = [],
  env?: NodeJS.ProcessEnv,
  program = commands.relay,
): Promise<RelayCommand> {
  const defaults = ["--host", "127.0.0.1", "--log-format", "json"];
  if (!args.includes("--domain")) defaults.push("--domain", "localhost");
  // So the relay refuses a name without a client at once.
  if (!args.includes("--startup-hold")) defaults.push("--startup-hold", "0");
  if (!args.includes("--port")) defaults.push("--port", "0");
  if (!args.includes("--public-url")) defaults.push("--public-url", "http://{subdomain}.{domain}:{port}");
  return listening(runRelay([...defaults, ...args], env, { program }));
}

/**
 * Starts the relay command on a socket that this process has bound. Several relays may listen on it at once.
 */
export async function startRelayCommandOn(
  socket: SharedSocket,
  args: readonly string[] = [],
  program = commands.relay,
): Promise<RelayCommand> {
  const relay = [
    program,
    ...[
      "--domain",
      "localhost",
      "--log-format",
      "json",
      "--public-url",
      "http://{subdomain}.{domain}:{port}",
    ],
    ...args,
  ];
  // Only the process itself knows its own id beforehand.
  const script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"';
  return listening(new RunningCommand("sh", ["-c", script, process.execPath, ...relay], { fd: socket.fd }));
}

async function listening(relay: RunningCommand): Promise<RelayCommand> {
  const { port } = await relay.waitForJson({ msg: "listening" });
  return Object.assign(relay, { port: port as number });
}

/** Runs the relay command with these arguments alone: for tests of its flags. */
export function runRelay(
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
  { program = commands.relay }: ProgramOptions = {},
): RunningCommand {
  return new RunningCommand(process.execPath, [program, ...args], env === undefined ? {} : { env });
}

/** A client command that is connected. */
export interface ClientCommand extends RunningCommand {
  url: string;
  subdomain: string;
}

/**
 * Starts the client command for a local service and waits until its tunnel is up. `program`: the file of
 * another release's command.
 */
export async function startClientCommand(
  target: number | string,
  relayPort: number,
  args: readonly string[] = [],
  env?: NodeJS.ProcessEnv,
  program = commands.client,
): Promise<ClientCommand> {
  const relayUrl = `http://127.0.0.1:${relayPort}`;
  const client = runClient([String(target), "--relay", relayUrl, "--json", ...args], env, { program });
  const { url, subdomain } = await client.waitForJson({ event: "connected" });
  return Object.assign(client, { url: url as string, subdomain: subdomain as string });
}

/** Runs the client command with these arguments alone: for tests of its flags. */
export function runClient(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  { program = commands.client, ...options }: ProgramOptions & Pick<RunOptions, "input"> = {},
): RunningCommand {
  return new RunningCommand(process.execPath, [program, ...args], {
    env: { ...settingsIn(noConfig), ...env },
    ...options,
  });
}

/** A folder that is not there, in which no login of this machine's user is found. */
export const noConfig = join(tmpdir(), "mcp-tunnel-test-without-config");

/**
 * The environment without the variables that the commands read, so that the settings of this machine's user
 * do not reach the tests.
 */
export function cleanEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const own = /^MCP_TUNNEL_|^(https?|all|no)_proxy$/i;
  const inherited = Object.entries(process.env).filter(([name]) => !own.test(name));
  return { ...Object.fromEntries(inherited), ...extra };
}

function parseObject(line: string): JsonLine | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as JsonLine;
  } catch {
    return undefined;
  }
}
