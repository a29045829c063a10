import { type JsonNode, memberOf, partsOf, readJson } from "../parts/json-text.ts";

/** How a person gives a value. `json`: as JSON text, for all that has no control of its own. */
export type Control =
  | { readonly kind: "text" }
  | { readonly kind: "number"; readonly integer: boolean; readonly min?: number; readonly max?: number }
  | { readonly kind: "choice"; readonly choices: readonly Choice[] }
  | { readonly kind: "list"; readonly of: "text" | "number" | "integer" }
  | { readonly kind: "group"; readonly fields: readonly FormField[] }
  | { readonly kind: "json" };

/** A value as JSON text, and how it is shown. */
interface Choice {
  readonly json: string;
  readonly label: string;
}

export interface FormField {
  /** Unique in one form. */
  readonly id: string;
  readonly name: string;
  readonly description: string | undefined;
  readonly required: boolean;
  readonly control: Control;
  /** What the control shows first. Undefined: there is no value. */
  readonly initial: string | undefined;
}

/** Texts of controls by the ids of their fields. A field without one is left out. */
export type Draft = ReadonlyMap<string, string>;

type Schema = Readonly<Record<string, unknown>>;

/**
 * The fields of the arguments of a tool, with the values that they had. Arguments that the schema does not name
 * are fields too: nothing is lost by an edit. Undefined: the schema is none of an object.
 */
export function fieldsOf(inputSchema: unknown, args: JsonNode | undefined): readonly FormField[] | undefined {
  if (!isSchema(inputSchema)) return undefined;
  if (args !== undefined && args.kind !== "object") return undefined;
  const root = resolve(inputSchema, inputSchema);
  if (!isSchema(root["properties"]) && root["type"] !== "object") return undefined;
  return groupFields(root, inputSchema, args, "", 1);
}

function groupFields(
  schema: Schema,
  root: Schema,
  value: JsonNode | undefined,
  path: string,
  levels: number,
): FormField[] {
  const properties = new Map(isSchema(schema["properties"]) ? Object.entries(schema["properties"]) : []);
  const required = new Set(Array.isArray(schema["required"]) ? (schema["required"] as unknown[]) : []);
  // The last member of a name counts, as it does for JSON.parse.
  const values = new Map((value === undefined ? [] : partsOf(value)).map((part) => [part.key!, part.value]));
  return [...new Set([...properties.keys(), ...values.keys()])].map((name) => {
    const property = properties.get(name);
    return fieldOf(name, isSchema(property) ? property : {}, root, values.get(name), {
      path,
      levels,
      required: required.has(name),
    });
  });
}

function fieldOf(
  name: string,
  given: Schema,
  root: Schema,
  value: JsonNode | undefined,
  place: { readonly path: string; readonly levels: number; readonly required: boolean },
): FormField {
  const schema = resolve(given, root);
  const id = `${place.path}/${name}`;
  const said = given["description"] ?? schema["description"];
  const description = typeof said === "string" ? said : undefined;
  const common = { id, name, description, required: place.required };
  const isGroup = schema["type"] === "object" && isSchema(schema["properties"]) && place.levels > 0;
  if (isGroup && (value === undefined || value.kind === "object")) {
    const fields = groupFields(schema, root, value, id, place.levels - 1);
    return { ...common, control: { kind: "group", fields }, initial: value && "" };
  }
  const control = controlOf(schema, root);
  if (value === undefined) return { ...common, control, initial: undefined };
  const initial = textFor(control, value);
  // A value that does not fit its schema is kept and shown as it was.
  if (initial === undefined) return { ...common, control: { kind: "json" }, initial: value.raw };
  return { ...common, control, initial };
}

function controlOf(schema: Schema, root: Schema): Control {
  const values = choicesOf(schema);
  if (values !== undefined) return choice(values);
  switch (schema["type"]) {
    case "string":
      return { kind: "text" };
    case "boolean":
      return choice([true, false]);
    case "number":
    case "integer": {
      const { minimum, maximum } = schema;
      return {
        kind: "number",
        integer: schema["type"] === "integer",
        ...(typeof minimum === "number" && { min: minimum }),
        ...(typeof maximum === "number" && { max: maximum }),
      };
    }
    case "array": {
      const items = isSchema(schema["items"]) ? controlOf(resolve(schema["items"], root), {}) : undefined;
      if (items?.kind === "text") return { kind: "list", of: "text" };
      if (items?.kind === "number") return { kind: "list", of: items.integer ? "integer" : "number" };
      return { kind: "json" };
    }
    default:
      return { kind: "json" };
  }
}

/** The values of an `enum`, or of a `oneOf` or an `anyOf` of constants. */
function choicesOf({ enum: values, oneOf, anyOf }: Schema): readonly unknown[] | undefined {
  if (Array.isArray(values)) return values as unknown[];
  const options: unknown = oneOf ?? anyOf;
  if (!Array.isArray(options) || options.length === 0) return undefined;
  const constants = options.map((option: unknown) => isSchema(option) && Object.hasOwn(option, "const"));
  return constants.every(Boolean) ? options.map((option: Schema) => option["const"]) : undefined;
}

function choice(values: readonly unknown[]): Control {
  const choices = values.map((value) => ({
    json: JSON.stringify(value),
    label: typeof value === "string" ? value : JSON.stringify(value),
  }));
  return { kind: "choice", choices };
}

/** References to other schemas that are followed, one after the other. */
const maxReferences = 8;

/** Follows references within the document, and takes the one type that is not null, as Python's tools write. */
function resolve(schema: Schema, root: Schema): Schema {
  let at = schema;
  for (let hops = 0; hops < maxReferences; hops += 1) {
    const next = referred(at, root) ?? onlyOption(at);
    if (next === undefined) break;
    at = next;
  }
  const types: unknown = at["type"];
  if (!Array.isArray(types)) return at;
  const others = types.filter((type) => type !== "null");
  return others.length === 1 ? { ...at, type: others[0] as unknown } : at;
}

function referred(schema: Schema, root: Schema): Schema | undefined {
  const reference = schema["$ref"];
  if (typeof reference !== "string" || !reference.startsWith("#/")) return undefined;
  let at: unknown = root;
  for (const part of reference.slice(2).split("/")) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (!isSchema(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return isSchema(at) ? at : undefined;
}

function onlyOption({ anyOf, oneOf, allOf }: Schema): Schema | undefined {
  const options: unknown = anyOf ?? oneOf ?? allOf;
  if (!Array.isArray(options)) return undefined;
  const others = options.filter((option) => isSchema(option) && option["type"] !== "null");
  const first: unknown = others[0];
  return others.length === 1 && isSchema(first) ? first : undefined;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The text of a control for a value. Undefined: the control cannot show it. */
function textFor(control: Control, value: JsonNode): string | undefined {
  switch (control.kind) {
    case "text":
      return value.kind === "string" ? value.value : undefined;
    case "number":
      return value.kind === "number" ? value.raw : undefined;
    case "choice": {
      const json = value.kind === "string" ? JSON.stringify(value.value) : value.raw;
      return control.choices.some((option) => option.json === json) ? json : undefined;
    }
    case "list": {
      if (value.kind !== "array") return undefined;
      const kind = control.of === "text" ? "string" : "number";
      if (value.items.some((item) => item.kind !== kind)) return undefined;
      const lines = value.items.map((item) => (item.kind === "string" ? item.value : item.raw));
      return lines.some((line) => line === "" || line.includes("\n")) ? undefined : lines.join("\n");
    }
    case "json":
      return value.raw;
    case "group":
      return undefined;
  }
}

/** What each field shows first. */
export function draftOf(fields: readonly FormField[]): Map<string, string> {
  const draft = new Map<string, string>();
  for (const { id, control, initial } of fields) {
    if (initial !== undefined) draft.set(id, initial);
    if (control.kind === "group") for (const [key, text] of draftOf(control.fields)) draft.set(key, text);
  }
  return draft;
}

/** The arguments as JSON text, and what is wrong with them, by the ids of the fields. */
export interface Written {
  readonly json: string;
  readonly problems: ReadonlyMap<string, string>;
}

export function writeFields(fields: readonly FormField[], draft: Draft): Written {
  const problems = new Map<string, string>();
  const members: string[] = [];
  for (const field of fields) {
    const written = writeField(field, draft, problems);
    if (written !== undefined) members.push(`${JSON.stringify(field.name)}:${written}`);
  }
  return { json: `{${members.join(",")}}`, problems };
}

function writeField(field: FormField, draft: Draft, problems: Map<string, string>): string | undefined {
  const { id, control, required } = field;
  if (control.kind === "group") {
    const isGiven = required || draft.has(id) || control.fields.some((part) => draft.has(part.id));
    if (!isGiven) return undefined;
    const group = writeFields(control.fields, draft);
    for (const [key, problem] of group.problems) problems.set(key, problem);
    return group.json;
  }
  const text = draft.get(id);
  if (text === undefined) {
    if (required && control.kind === "list") return "[]";
    if (required && control.kind === "text") return '""';
    if (required) problems.set(id, control.kind === "choice" ? "Choose a value." : "A value is needed.");
    return undefined;
  }
  const value = writeValue(control, text);
  if ("problem" in value) problems.set(id, value.problem);
  return "problem" in value ? undefined : value.json;
}

function writeValue(
  control: Exclude<Control, { kind: "group" }>,
  text: string,
): { json: string } | { problem: string } {
  switch (control.kind) {
    case "text":
      return { json: JSON.stringify(text) };
    case "choice":
      return { json: text };
    case "number":
      return writeNumber(control, text.trim());
    case "list": {
      const lines = text.split("\n").filter((line) => line !== "");
      if (control.of === "text") return { json: JSON.stringify(lines) };
      const integer = control.of === "integer";
      const numbers = lines.map((line) => writeNumber({ integer }, line.trim()));
      const wrong = numbers.find((number) => "problem" in number);
      return wrong ?? { json: `[${numbers.map((number) => "json" in number && number.json).join(",")}]` };
    }
    case "json": {
      const reading = readJson(text);
      return "node" in reading ? { json: text } : { problem: "This is not JSON. A text needs quotes." };
    }
  }
}

/** The number stays as it was typed: it may be longer than what a double holds. */
function writeNumber(
  { integer, min, max }: { integer: boolean; min?: number; max?: number },
  text: string,
): { json: string } | { problem: string } {
  const reading = readJson(text);
  if (!("node" in reading) || reading.node.kind !== "number") {
    return { problem: `${JSON.stringify(text)} is not a number.` };
  }
  const value = Number(text);
  if (integer && !Number.isInteger(value)) return { problem: "A whole number is needed." };
  if (min !== undefined && value < min) return { problem: `At least ${min}.` };
  if (max !== undefined && value > max) return { problem: `At most ${max}.` };
  return { json: text };
}

/** The message with other arguments; all else stays as it was written. */
export function withArguments(message: JsonNode, json: string): string | undefined {
  return replaceMember(message, "params", (params) => replaceMember(params, "arguments", () => json));
}

function replaceMember(
  node: JsonNode | undefined,
  key: string,
  replace: (value: JsonNode | undefined) => string | undefined,
): string | undefined {
  if (node !== undefined && node.kind !== "object") return undefined;
  const replaced = replace(memberOf(node, key));
  if (replaced === undefined) return undefined;
  const others = (node?.members ?? []).filter((member) => member.key !== key);
  const members = [
    ...others.map((member) => [member.key, member.value.raw] as const),
    [key, replaced] as const,
  ];
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`;
}
