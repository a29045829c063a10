import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseEnv } from "node:util";
import {
  Fault,
  flag,
  listOf,
  mapOf,
  objectOf,
  passing,
  problemOf,
  text,
  type TunnelError,
  unusable,
} from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import type { NamedValue } from "./file.js";
import { expand, UnknownPlaceholder } from "./placeholders.js";
import type { Places } from "./placeholders.js";

/** A server that is started. */
export interface CommandEntry {
  /** The server is a program. */
  readonly kind: "command";
  /** Its name in the file. */
  readonly name: string;
  /** The name or the path of the program. */
  readonly command: string;
  /** The program's arguments. */
  readonly args: readonly string[];
  /** Variables on top of the environment; `undefined` takes one out. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The folder in which it is started, as an absolute path. */
  readonly cwd: string;
}

/** A server that is reached over HTTP. */
export interface UrlEntry {
  /** The server is at a URL. */
  readonly kind: "url";
  /** Its name in the file. */
  readonly name: string;
  /** The URL of its endpoint. */
  readonly url: string;
  /** Fields that each request to it has to carry. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A server of a config file. */
export type McpServerEntry = CommandEntry | UrlEntry;

/** The members that count. Hosts add their own (`alwaysAllow`, `autoApprove`, `timeout`), which do not. */
interface Given {
  type?: string | undefined;
  command?: string | undefined;
  args?: string[] | undefined;
  /** VS Code takes numbers, and takes a variable out for null. */
  env?: Record<string, string | number | null> | undefined;
  envFile?: string | undefined;
  cwd?: string | undefined;
  url?: string | undefined;
  headers?: Record<string, string> | undefined;
  disabled?: boolean | undefined;
}

const variable = passing<string | number | null>(
  (value) => value === null || typeof value === "string" || Number.isFinite(value),
  "a string, a number or null",
);

const shape = objectOf<Given>({
  type: text().optional(),
  command: text().optional(),
  args: listOf(text(), "an array of strings").optional(),
  env: mapOf(variable, "an object of strings").optional(),
  envFile: text().optional(),
  cwd: text().optional(),
  url: text().optional(),
  headers: mapOf(text(), "an object of strings").optional(),
  disabled: flag.optional(),
});

/** The names that hosts have for a server over streamable HTTP. */
const httpTypes = ["http", "streamable-http", "streamableHttp"];

/** Reads the entries of one file. Values of `env` and `headers` are in no message: they may be secrets. */
export class EntryReader {
  readonly #file: string;
  readonly #places: Places;
  readonly #onMistake: (mistake: TunnelError) => void;

  /**
   * `onMistake` is called for a member that cannot be read where the others still can. The entry is of no use
   * then. Default: the mistake is thrown.
   */
  constructor(file: string, places: Places, onMistake?: (mistake: TunnelError) => void) {
    this.#file = file;
    this.#places = places;
    this.#onMistake =
      onMistake ??
      ((mistake) => {
        throw mistake;
      });
  }

  /** Whether the entry asks to be left out. */
  isDisabled({ value }: NamedValue): boolean {
    return typeof value === "object" && value !== null && "disabled" in value && value.disabled === true;
  }

  /** @throws TunnelError `invalid_option` that names the file, the server and the member. */
  read({ name, value }: NamedValue): McpServerEntry {
    const given = shape.read(value);
    if (given instanceof Fault) throw this.#unusable(name, problemOf(given).message);
    return this.#kindOf(name, given) === "command" ? this.#command(name, given) : this.#url(name, given);
  }

  #kindOf(name: string, { type, command, url }: Given): "command" | "url" {
    if (type === "sse") {
      const message =
        "type is 'sse', the transport of 2024-11-05, which does not work below another path: " +
        "forward that server alone, with mcp-tunnel-client <host:port>";
      throw this.#unusable(name, message);
    }
    if (type !== undefined && type !== "stdio" && !httpTypes.includes(type)) {
      throw this.#unusable(name, `type is '${type}'; it must be 'stdio' or 'http'`);
    }
    if (type === undefined && command !== undefined && url !== undefined) {
      throw this.#unusable(name, "it has both 'command' and 'url': give it one of them, or a 'type'");
    }
    const kind = type === undefined ? (command === undefined ? "url" : "command") : undefined;
    return kind ?? (type === "stdio" ? "command" : "url");
  }

  #command(name: string, given: Given): CommandEntry {
    const command = this.#expand(name, "command", given.command ?? "");
    if (command === "") throw this.#unusable(name, "command must be the name or the path of a program");
    const { project } = this.#places;
    const cwd = resolve(project, this.#expand(name, "cwd", given.cwd ?? "") ?? "");
    return {
      kind: "command",
      name,
      command: command ?? "",
      args: (given.args ?? []).map((arg, index) => this.#expand(name, `args.${index}`, arg) ?? ""),
      env: { ...this.#envFile(name, given.envFile), ...this.#env(name, given.env ?? {}) },
      cwd,
    };
  }

  #env(name: string, given: NonNullable<Given["env"]>): Record<string, string | undefined> {
    const entries = Object.entries(given).map(([key, value]) => [
      key,
      value === null ? undefined : this.#expand(name, `env.${key}`, String(value)),
    ]);
    return Object.fromEntries(entries) as Record<string, string | undefined>;
  }

  /** VS Code and Cursor: a file of variables, which those in `env` win over. */
  #envFile(name: string, given: string | undefined): Record<string, string | undefined> {
    if (given === undefined) return {};
    const expanded = this.#expand(name, "envFile", given);
    if (expanded === undefined) return {};
    const path = resolve(this.#places.project, expanded);
    try {
      return parseEnv(readFileSync(path, "utf8"));
    } catch (error) {
      this.#onMistake(this.#unusable(name, `envFile cannot be read: ${messageOf(error)}`));
      return {};
    }
  }

  #url(name: string, given: Given): UrlEntry {
    if (given.url === undefined) {
      const what = given.type === undefined ? "it has neither 'command' nor 'url'" : "it has no 'url'";
      throw this.#unusable(name, `${what}: one of them says what the server is`);
    }
    const url = this.#expand(name, "url", given.url);
    // The URL is not shown: keys are often a part of it.
    if (url !== undefined && (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))) {
      throw this.#unusable(name, "url must be an http or https URL, such as http://localhost:3000/mcp");
    }
    const headers = Object.entries(given.headers ?? {}).map(([key, value]) => [
      key,
      this.#expand(name, `headers.${key}`, value),
    ]);
    return {
      kind: "url",
      name,
      url: url ?? "",
      headers: Object.fromEntries(headers) as Record<string, string>,
    };
  }

  /** Undefined: it cannot be read, which has been told. */
  #expand(name: string, member: string, value: string): string | undefined {
    try {
      return expand(value, this.#places);
    } catch (error) {
      if (!(error instanceof UnknownPlaceholder)) throw error;
      this.#onMistake(this.#unusable(name, `${member} uses ${error.message}`));
      return undefined;
    }
  }

  #unusable(name: string, message: string): TunnelError {
    // An entry counts only if `servers` chooses it.
    const about = { file: this.#file, options: ["servers"] };
    return unusable(`${this.#file}: the server '${name}': ${message}`, about);
  }
}
