import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { createFolder } from "../support/certificates.js";
import { commands, RunningCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { freshNpm } from "../support/npm.js";
import { lines, ownCommand, stays } from "./own-commands.js";
import { type PageBlock, root } from "./pages.js";
import type { Stage } from "./stage.js";

/** What a page takes for granted. */
export interface Scene {
  /** Texts of the page and what is in their place here, beyond what all pages have. */
  replace?: readonly (readonly [from: string, to: string])[];
  /** Files that are there. */
  prepare?(transcript: Transcript): void | Promise<void>;
  env?(transcript: Transcript): NodeJS.ProcessEnv;
  /** How the command begins that has to end with status 1. */
  failing?: string;
  /** What somebody types at a question. */
  input?: string;
}

/** Ports that the pages name, each of which is a free one here. */
const ports = ["443", "80", "4001", "8000", "8080", "8090", "9090"];

/** The server of the pages is no package of this repository. */
const everything = /npx -y @modelcontextprotocol\/server-everything stdio/g;

/** The folder and the environment in which somebody follows one page, and what he has started there. */
export class Transcript {
  readonly #folder = createFolder();
  readonly #ports = new Map<string, number>();
  readonly #stage: Stage;
  readonly #scene: Scene;
  #running: RunningCommand[] = [];

  private constructor(stage: Stage, scene: Scene) {
    this.#stage = stage;
    this.#scene = scene;
  }

  static async open(stage: Stage, scene: Scene): Promise<Transcript> {
    const transcript = new Transcript(stage, scene);
    // oxlint-disable-next-line no-await-in-loop -- no two the same
    for (const port of ports) transcript.#ports.set(port, await freePort());
    const { path } = transcript.#folder;
    for (const name of ["fullchain.pem", "privkey.pem"])
      copyFileSync(join(stage.folder.path, name), join(path, name));
    for (const [name, file] of Object.entries(commands)) {
      const program = name === "relay" ? "mcp-tunnel" : `mcp-tunnel-${name}`;
      transcript.write(`bin/${program}`, `#!/bin/sh\nexec "${process.execPath}" "${file}" "$@"\n`, 0o755);
    }
    // No program of ours: what it is given is shown in the pages, and this looks at the form alone.
    const form =
      '[ "$1 $2 $3 $4" = "mcp add --transport http" ] && expr "$6" : "https\\{0,1\\}://" >/dev/null';
    transcript.write("bin/claude", `#!/bin/sh\n${form}\n`, 0o755);
    return transcript;
  }

  /** Writes a file of the user's. `name`: below his folder, which is the current one. */
  write(name: string, text: string, mode = 0o600): void {
    const path = join(this.#folder.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode });
  }

  port(written: string): number {
    return this.#ports.get(written) as number;
  }

  /** A text of the page, as it is here. */
  here(text: string): string {
    const relay = `localhost:${this.#stage.relay.port}`;
    let result = text
      .replaceAll("client-VERSION-HASH.tgz", this.#stage.client)
      .replaceAll("proxy.example.com:3128", `127.0.0.1:${this.#stage.proxy.port}`)
      .replaceAll(/https:\/\/((?:[\w-]+\.)?)tunnel\.example\.com/g, `https://$1${relay}`)
      .replaceAll("tunnel.example.com", "localhost")
      .replaceAll(/\b(?:3000|5173)\b/g, String(this.#stage.service.port))
      .replaceAll(everything, `node ${join(root, "examples/basic/stdio-server.mjs")}`)
      .replaceAll("examples/", `${join(root, "examples")}/`);
    for (const [written, port] of this.#ports) {
      const isPort = new RegExp(`(?<=[:= ]|--port )${written}(?=[\\s/)"'-]|$)`, "gm");
      result = result.replaceAll(isPort, String(port));
    }
    for (const [from, to] of this.#scene.replace ?? []) result = result.replaceAll(from, to);
    return result;
  }

  /**
   * Runs the commands of a block one after the other. Those that go on have said that they are ready before
   * the next begins, and go on until a block that starts others.
   * @returns What the commands that have ended have said.
   * @throws Error with what a command said, if it fails.
   */
  async run({ text, where }: PageBlock): Promise<string> {
    const steps: { script: string; staying: boolean }[] = [];
    for (const line of lines(this.here(text))) {
      const own = ownCommand(line);
      const staying = line.includes("/provider.mjs") || (own !== undefined && stays(own));
      const last = steps.at(-1);
      // Lines of one script share their variables.
      if (!staying && last?.staying === false) last.script += `\n${line}`;
      else steps.push({ script: line, staying });
    }
    if (steps.some(({ staying }) => staying)) await this.#endRunning();
    const said: string[] = [];
    for (const { script, staying } of steps) {
      const what = `${where}: ${script}`;
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      if (staying) await this.#start(script, what);
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      else said.push(await this.#finish(script, what));
    }
    return said.join("\n");
  }

  async #start(script: string, what: string): Promise<void> {
    const [, variables = "", command = ""] = /^((?:[A-Z_]+=\S+ )*)(.*)$/.exec(script) ?? [];
    const running = new RunningCommand("bash", ["-euc", `exec 2>&1; ${variables}exec ${command}`], {
      ...this.#options,
      // npx starts the client through a shell.
      ownGroup: true,
    });
    this.#running.push(running);
    await running.waitFor(what, () => (isReady(running, script) ? true : undefined), 60_000);
  }

  async #finish(script: string, what: string): Promise<string> {
    const command = new RunningCommand("bash", ["-euc", `exec 2>&1; ${script}`], {
      ...this.#options,
      ...(this.#scene.input === undefined ? {} : { input: this.#scene.input }),
    });
    const { code } = await command.exited;
    const { failing } = this.#scene;
    const expected = failing !== undefined && script.startsWith(failing) ? 1 : 0;
    if (code !== expected) throw new Error(`status ${code} of ${what}\n${command.output}`);
    return command.output;
  }

  get #options(): { env: NodeJS.ProcessEnv; cwd: string } {
    const { path } = this.#folder;
    return {
      cwd: path,
      env: {
        // Nothing is asked of a registry: the port refuses connections.
        ...freshNpm(path, "http://127.0.0.1:9/"),
        npm_config_audit: "false",
        npm_config_update_notifier: "false",
        PATH: [join(path, "bin"), process.env["PATH"]].join(delimiter),
        NODE_EXTRA_CA_CERTS: this.#stage.ca,
        CURL_CA_BUNDLE: this.#stage.ca,
        // A relay that is told neither would be at a port of others, and open to the network.
        MCP_TUNNEL_HOST: "127.0.0.1",
        MCP_TUNNEL_PORT: String(this.port("8080")),
        ...this.#scene.env?.(this),
      },
    };
  }

  async #endRunning(): Promise<void> {
    const running = this.#running.toReversed();
    this.#running = [];
    for (const command of running) {
      // oxlint-disable-next-line no-await-in-loop -- clients end before their relays
      await end(command);
    }
  }

  async close(): Promise<void> {
    await this.#endRunning();
    this.#folder.close();
  }
}

/** The client has a public URL for each of its tunnels, the relay listens, a server tells its address. */
function isReady({ output }: RunningCommand, script: string): boolean {
  if (/(^|\s)mcp-tunnel\s/.test(script)) return output.includes('"msg":"listening"');
  return /https?:\/\/\S*localhost|http:\/\/127\.0\.0\.1/.test(output);
}

async function end(command: RunningCommand): Promise<void> {
  // It may have ended by itself, as a client whose name another one has taken.
  if (command.child.exitCode === null && command.child.signalCode === null) command.interrupt();
  await command.close();
}
