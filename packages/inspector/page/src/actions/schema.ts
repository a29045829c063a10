import { type JsonNode, partsOf } from "../parts/json-text.ts";

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

type Schema = Readonly<Record<string, unknown>>;

/**
 * The fields of the arguments of a tool, with the values that they had. Arguments that the schema does not
 * name are fields too: nothing is lost by an edit. Undefined: the schema is none of an object.
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

/** Follows references within the document, and takes the one type that is not null, as of Python's tools. */
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
