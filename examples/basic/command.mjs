import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The URL of each command's file. */
export const files = {
  "mcp-tunnel": new URL("../bin/mcp-tunnel.js", import.meta.resolve("mcp-tunnel")),
  "mcp-tunnel-client": import.meta.resolve("mcp-tunnel-cli/bin/mcp-tunnel-client.js"),
};

/** How long a command may take to come up, in milliseconds. */
const startTimeoutMs = 15_000;

/**
 * A command of one of the packages in a process of its own. Emits `line` with each JSON object that the
 * command prints, and `end` when the process is gone.
 */
export class Command extends EventEmitter {
  #name;
  #child;
  /** The last lines that the command printed, shown if it fails. */
  #said = [];
  #ended;

  /**
   * @param {keyof typeof files} name
   * @param {string[]} args
   */
  constructor(name, args) {
    super();
    this.#name = name;
    const file = fileURLToPath(files[name]);
    // In a process group of its own. Otherwise Ctrl-C in a terminal would reach the command too, out of
    // order.
    this.#child = spawn(process.execPath, [file, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const kill = () => this.#child.kill("SIGKILL");
    process.on("exit", kill);
    this.#ended = new Promise((resolve) => {
      this.#child.on("close", () => {
        process.off("exit", kill);
        resolve(undefined);
        this.emit("end");
      });
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#onLine(line));
    createInterface({ input: this.#child.stderr }).on("line", (line) => this.#remember(line));
  }

  /** The command's name and its last words. */
  get obituary() {
    return `${this.#name} ended; it said:\n${this.#said.join("\n")}`;
  }

  /**
   * Resolves with the first JSON line that `matches`.
   * @param {(line: any) => boolean} matches
   * @returns {Promise<any>}
   */
  ready(matches) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.#name} is not ready in time`)), startTimeoutMs);
      this.once("end", () => {
        clearTimeout(timer);
        reject(new Error(this.obituary));
      });
      this.on("line", (line) => {
        if (!matches(line)) return;
        clearTimeout(timer);
        resolve(line);
      });
    });
  }

  /** Asks the command to end, and resolves when it has ended. */
  stop() {
    this.#child.kill("SIGTERM");
    return this.#ended;
  }

  #onLine(text) {
    this.#remember(text);
    let line;
    try {
      line = JSON.parse(text);
    } catch {
      return;
    }
    this.emit("line", line);
  }

  #remember(text) {
    this.#said.push(text);
    if (this.#said.length > 50) this.#said.shift();
  }
}
