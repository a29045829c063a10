import { readFileSync } from "node:fs";
import { nearestName, TunnelError } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument, type YAMLMap } from "yaml";
import type { z } from "zod";

/** A mistake in a file, and its place. */
export interface Problem {
  /** Counted from 1. */
  line: number;
  message: string;
}

/** A key of a map with its value. */
export interface Entry {
  /** The empty text if it is no plain text. */
  readonly name: string;
  readonly line: number;
  readonly value: Node | null;
}

/** A YAML file with the lines of its values. JSON is YAML, too. */
export class YamlFile {
  readonly document: Document.Parsed;
  readonly #lines = new LineCounter();

  constructor(text: string) {
    this.document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
  }

  /** Mistakes that keep the text from being YAML. Duplicate keys are among them. */
  get syntaxProblems(): Problem[] {
    return [...this.document.errors, ...this.document.warnings].map((error) => ({
      line: this.#lineOf(error.pos[0]),
      // The first line names the mistake. The others show the source, which may hold secrets.
      message: error.message.split("\n", 1)[0] as string,
    }));
  }

  /**
   * The entries of the map at `path`, none where nothing stands; `undefined` if something else stands there.
   */
  entriesAt(path: readonly string[]): Entry[] | undefined {
    let node: Node | null = this.document.contents;
    for (const part of path) {
      node = isMap(node) ? (entriesOf(node).find(({ name }) => name === part)?.value ?? null) : null;
    }
    // `tunnels:` with nothing below it.
    if (node === null || (isScalar(node) && node.value === null)) return [];
    if (!isMap(node)) return undefined;
    return entriesOf(node).map(({ name, key, value }) => ({ name, line: this.lineOf(key) ?? 1, value }));
  }

  /** The line of the value at `path`, or of the nearest value around it if there is none. */
  lineAt(path: readonly PropertyKey[]): number {
    for (let length = path.length; length >= 0; length -= 1) {
      const node = this.document.getIn(path.slice(0, length), true);
      const offset = (node as Node | undefined)?.range?.[0];
      if (offset !== undefined) return this.#lineOf(offset);
    }
    return 1;
  }

  /** The line of the key `key` in the map at `path`. */
  lineOfKey(path: readonly PropertyKey[], key: string): number {
    const map = path.length === 0 ? this.document.contents : this.document.getIn(path, true);
    const found = isMap(map) ? entriesOf(map).find(({ name }) => name === key) : undefined;
    return this.lineOf(found?.key ?? null) ?? this.lineAt(path);
  }

  /** The line in which a node begins. */
  lineOf(node: Node | null): number | undefined {
    return node?.range ? this.#lineOf(node.range[0]) : undefined;
  }

  /** The contents if they follow `schema`, or all mistakes in them, in the order of the lines. */
  read<T>(schema: z.ZodType<T>): { value: T } | { problems: Problem[] } {
    const syntax = this.syntaxProblems;
    if (syntax.length > 0) return { problems: syntax };
    let contents: unknown;
    try {
      contents = this.document.toJS();
    } catch (error) {
      // An alias has no anchor, or there are more aliases than any honest file has.
      return { problems: [{ line: 1, message: messageOf(error) }] };
    }
    const result = schema.safeParse(contents);
    if (result.success) return { value: result.data };
    const problems = result.error.issues.flatMap((issue) => this.#describe(issue, schema));
    return { problems: problems.toSorted((a, b) => a.line - b.line) };
  }

  #describe(issue: z.core.$ZodIssue, schema: z.core.$ZodType): Problem[] {
    if (issue.code === "unrecognized_keys") {
      const known = keysAt(schema, issue.path);
      return issue.keys.map((key) => {
        const near = nearestName(key, known);
        const hint = near === undefined ? "" : `; did you mean '${near}'?`;
        return { line: this.lineOfKey(issue.path, key), message: `unknown key '${key}'${hint}` };
      });
    }
    const at = issue.path.join(".");
    const text = at === "" ? "the file" : `'${at}'`;
    return [{ line: this.lineAt(issue.path), message: `${text}: ${issue.message}` }];
  }

  #lineOf(offset: number): number {
    return this.#lines.linePos(offset).line;
  }
}

/** The keys that a schema has at `path`; none where it has no keys, or says in another way what is there. */
function keysAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case "pipe":
      return keysAt(def.in, path);
    case "optional":
    case "nullable":
      return keysAt(def.innerType, path);
    case "array":
      return path.length === 0 ? [] : keysAt(def.element, path.slice(1));
    case "object": {
      const [key, ...rest] = path;
      if (key === undefined) return Object.keys(def.shape);
      const part = def.shape[String(key)];
      return part === undefined ? [] : keysAt(part, rest);
    }
    default:
      return [];
  }
}

/** The text of a key as it is in the file: `0123` is a name as often as a number. */
function entriesOf(map: YAMLMap): { name: string; key: Node | null; value: Node | null }[] {
  return map.items.map(({ key, value }) => ({
    name: isScalar(key) ? String(key.source ?? key.value) : "",
    key: key as Node | null,
    value: value as Node | null,
  }));
}

/**
 * Reads the file at `path`, whose text is YAML. `readText` gives its text. By default the file may be a pipe
 * too, which is waited for.
 * @throws FileMistakes when it is no YAML; TunnelError `unavailable` when it cannot be read; those of
 * `readText`.
 */
export function readYamlFile(
  path: string,
  readText: (path: string) => string = (one) => readFileSync(one, "utf8"),
): YamlFile {
  let text: string;
  try {
    text = readText(path);
  } catch (error) {
    if (error instanceof TunnelError) throw error;
    throw new TunnelError("unavailable", `cannot read the config file: ${messageOf(error)}`, {
      cause: error,
      file: path,
    });
  }
  const file = new YamlFile(text);
  if (file.syntaxProblems.length > 0) throw new FileMistakes(path, file.syntaxProblems);
  return file;
}

/** The error for a config file with mistakes. Its message tells all of them, with their lines. */
export class FileMistakes extends TunnelError {
  /** In the order of the lines. */
  readonly problems: readonly Problem[];

  constructor(path: string, problems: readonly Problem[]) {
    const sorted = problems.toSorted((a, b) => a.line - b.line);
    const message = `the config file has mistakes\n${formatProblems(path, sorted)}`;
    super("invalid_option", message, { file: path });
    this.problems = sorted;
  }
}

/** One line per problem, as compilers write them: `file:line: message`. */
export function formatProblems(file: string, problems: readonly Problem[]): string {
  return problems.map(({ line, message }) => `${file}:${line}: ${message}`).join("\n");
}
