import { type Document, isMap, isSeq, parseDocument, type YAMLSeq } from "yaml";

/**
 * A change to a list of tokens. Tokens are told by their places in it. `set`: what stands in the token from
 * now on.
 */
export type TokenChange =
  | { readonly add: object }
  | { readonly remove: number }
  | { readonly edit: number; readonly set: readonly Setting[] };

/**
 * What stands at a key of a token, or of a map in it, from now on; nothing if `value` is `undefined`. Of a
 * list the items that stay are left as they are.
 */
export interface Setting {
  readonly at: readonly [string] | readonly [string, string];
  readonly value: unknown;
}

/** Makes the change in the style of the file: comments, order and the look of the rest stay. */
export function changeTokenText(text: string, change: TokenChange): string {
  const isJson = text.trimStart().startsWith("{");
  return isJson ? changeJson(text, change) : changeYaml(text, change);
}

function changeYaml(text: string, change: TokenChange): string {
  const document = parseDocument(text);
  const list = document.get("tokens");
  if ("remove" in change) document.deleteIn(["tokens", change.remove]);
  else if ("edit" in change) {
    for (const setting of change.set)
      setInYaml(document, ["tokens", change.edit, ...setting.at], setting.value);
  } else {
    const entry = document.createNode(change.add);
    // An empty list is written `tokens: []` or `tokens:`. Its first entry is written as a block.
    if (isSeq(list) && list.items.length > 0) list.add(entry);
    else document.set("tokens", document.createNode([entry]));
  }
  return document.toString({ lineWidth: 0 });
}

type Path = readonly [string, number, ...string[]];

/** The YAML library throws an error where an alias stands in the way. */
function setInYaml(document: Document, path: Path, value: unknown): void {
  const present = document.getIn(path, true);
  if (value === undefined) {
    if (present === undefined) return;
    document.deleteIn(path);
    const around = path.slice(0, -1);
    const map = document.getIn(around, true);
    if (around.length > 2 && isMap(map) && map.items.length === 0) document.deleteIn(around);
  } else if (Array.isArray(value) && isSeq(present)) keepOnly(present, value);
  else document.setIn(path, isObject(value) ? document.createNode(value) : value);
}

/** Makes the items of `list` those of `wanted`. Comments are those of the items that stay. */
function keepOnly(list: YAMLSeq, wanted: readonly unknown[]): void {
  const had: unknown[] = list.toJSON();
  for (let i = had.length - 1; i >= 0; i -= 1) if (!wanted.includes(had[i])) list.delete(i);
  for (const item of wanted) if (!had.includes(item)) list.add(item);
}

type JsonMap = Record<string, unknown>;

/** JSON has no comments, so a new text loses nothing. The YAML library would write JSON as one line. */
function changeJson(text: string, change: TokenChange): string {
  const contents = JSON.parse(text) as { tokens: JsonMap[] | null };
  const tokens = contents.tokens ?? [];
  return `${JSON.stringify({ ...contents, tokens: changedList(tokens, change) }, undefined, 2)}\n`;
}

function changedList(tokens: readonly JsonMap[], change: TokenChange): readonly object[] {
  if ("add" in change) return [...tokens, change.add];
  if ("remove" in change) return tokens.toSpliced(change.remove, 1);
  let token = tokens[change.edit] as JsonMap;
  for (const { at, value } of change.set) token = withValue(token, at, value);
  return tokens.with(change.edit, token);
}

/** JSON leaves out what is `undefined`. */
function withValue(map: JsonMap, [key, inner]: readonly string[], value: unknown): JsonMap {
  if (inner === undefined) return { ...map, [key as string]: value };
  const changed = { ...(map[key as string] as JsonMap | undefined), [inner]: value };
  const isEmpty = Object.values(changed).every((one) => one === undefined);
  return { ...map, [key as string]: isEmpty ? undefined : changed };
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
