/**
 * JSON as it was written. `JSON.parse` would round long numbers and drop repeated keys, and a person who
 * looks for a fault needs to see both.
 */
export type JsonNode = JsonObject | JsonArray | JsonString | JsonPlain;

interface Written {
  /** As it stands in the text. */
  readonly raw: string;
}

export interface JsonObject extends Written {
  readonly kind: "object";
  readonly members: readonly JsonMember[];
}

export interface JsonArray extends Written {
  readonly kind: "array";
  readonly items: readonly JsonNode[];
}

export interface JsonString extends Written {
  readonly kind: "string";
  readonly value: string;
}

export interface JsonPlain extends Written {
  readonly kind: "number" | "boolean" | "null";
}

export interface JsonMember {
  readonly key: string;
  readonly value: JsonNode;
}

/** `cut`: the text ends before its value does. */
export type JsonReading =
  | { readonly node: JsonNode }
  | { readonly problem: "broken" | "cut"; readonly at: number };

const spaces = /[ \t\n\r]*/y;
const strings = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const numbers = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const words = /true|false|null/y;

/** A container that is not complete. */
type Open =
  | { readonly kind: "object"; readonly start: number; readonly members: JsonMember[]; key: string }
  | { readonly kind: "array"; readonly start: number; readonly items: JsonNode[] };

/** Reads without recursion: a stranger may send a hundred thousand brackets. */
export function readJson(text: string): JsonReading {
  const stack: Open[] = [];
  let at = 0;
  let done: JsonNode | undefined;

  function match(pattern: RegExp): string | undefined {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  }
  function eat(character: string): boolean {
    match(spaces);
    if (text[at] !== character) return false;
    at += 1;
    return true;
  }
  function readKey(into: { key: string }): boolean {
    match(spaces);
    const key = match(strings);
    if (key === undefined) return false;
    into.key = valueOf(key);
    return eat(":");
  }
  function close({ start, ...container }: Open): JsonNode {
    const raw = text.slice(start, at);
    return container.kind === "object"
      ? { kind: "object", raw, members: container.members }
      : { kind: "array", raw, items: container.items };
  }
  /** A complete value goes into the container around it. Closed containers are complete values too. */
  function finish(node: JsonNode): boolean {
    let complete = node;
    for (;;) {
      const around = stack.at(-1);
      if (around === undefined) {
        done = complete;
        return true;
      }
      if (around.kind === "object") around.members.push({ key: around.key, value: complete });
      else around.items.push(complete);
      if (eat(",")) return around.kind === "array" || readKey(around);
      if (!eat(around.kind === "object" ? "}" : "]")) return false;
      stack.pop();
      complete = close(around);
    }
  }
  function step(): boolean {
    match(spaces);
    const start = at;
    if (eat("{")) {
      const opened: Open = { kind: "object", start, members: [], key: "" };
      if (eat("}")) return finish(close(opened));
      stack.push(opened);
      return readKey(opened);
    }
    if (eat("[")) {
      const opened: Open = { kind: "array", start, items: [] };
      if (eat("]")) return finish(close(opened));
      stack.push(opened);
      return true;
    }
    const string = match(strings);
    if (string !== undefined) return finish({ kind: "string", raw: string, value: valueOf(string) });
    const number = match(numbers);
    if (number !== undefined) return finish({ kind: "number", raw: number });
    const word = match(words);
    if (word !== undefined) return finish({ kind: word === "null" ? "null" : "boolean", raw: word });
    return false;
  }

  while (done === undefined) if (!step()) return { problem: isCutAt(text, at) ? "cut" : "broken", at };
  match(spaces);
  return at === text.length ? { node: done } : { problem: "broken", at };
}

function valueOf(quoted: string): string {
  return quoted.includes("\\") ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
}

/** Whether what stands at `at` could be the start of something longer. */
function isCutAt(text: string, at: number): boolean {
  const rest = text.slice(at);
  if (rest === "") return true;
  if (rest.startsWith('"')) return /^"(?:[^"\\\u0000-\u001f]|\\.)*\\?$/.test(rest);
  return ["true", "false", "null", "-"].some((word) => word.startsWith(rest));
}

/** The value of a string that is itself a JSON object or array, as tools like to answer. */
export function readInner({ value }: JsonString): JsonNode | undefined {
  if (!/^\s*[[{]/.test(value)) return undefined;
  const reading = readJson(value);
  return "node" in reading ? reading.node : undefined;
}

/** Levels that {@link formatJson} sets apart. Deeper values stay as they were written. */
const maxFormattedDepth = 40;

/** As text, a value on each line, indented by two spaces. */
export function formatJson(node: JsonNode, depth = 0): string {
  const parts = partsOf(node);
  if (parts.length === 0 || depth >= maxFormattedDepth) return node.raw;
  const indent = "  ".repeat(depth);
  const lines = parts.map(
    ({ key, value }) =>
      `${indent}  ${key === undefined ? "" : `${JSON.stringify(key)}: `}${formatJson(value, depth + 1)}`,
  );
  const [first, last] = node.kind === "object" ? "{}" : "[]";
  return `${first}\n${lines.join(",\n")}\n${indent}${last}`;
}

/** The first members of an object or items of an array; none of all else. */
export function partsOf(
  node: JsonNode,
  limit = Number.POSITIVE_INFINITY,
): readonly { readonly key?: string; readonly value: JsonNode }[] {
  if (node.kind === "object") return node.members.slice(0, limit);
  return node.kind === "array" ? node.items.slice(0, limit).map((value) => ({ value })) : [];
}

/** How many parts a value has. */
export function sizeOf(node: JsonNode): number {
  if (node.kind === "object") return node.members.length;
  return node.kind === "array" ? node.items.length : 0;
}

/** The value of the last member of that name, which is what JSON.parse would take. */
export function memberOf(node: JsonNode | undefined, key: string): JsonNode | undefined {
  return node?.kind === "object" ? node.members.findLast((member) => member.key === key)?.value : undefined;
}

/** The text of a member that is a string. */
export function textOf(node: JsonNode | undefined, key: string): string | undefined {
  const member = memberOf(node, key);
  return member?.kind === "string" ? member.value : undefined;
}
