import { decodeHeaderValue } from "mcp-tunnel-shared";
import { isObject, paramsOf, type JsonObject, type Message, type RequestMessage } from "../message.js";
import { mismatch, type Refusal } from "./refusal.js";

/** A member of a tool's arguments that the header field `Mcp-Param-<name>` repeats. */
interface Declaration {
  readonly path: readonly string[];
  readonly name: string;
  readonly type: unknown;
}

/** Tools whose declarations are remembered. The one that was learnt first is forgotten for a further one. */
const maxTools = 1_000;
/** How deep a schema is read. A schema that is deeper declares nothing. */
const maxDepth = 64;

const declarationKey = "x-mcp-header";
/** Revision 2026-07-28 allows no `number`. The SDK compares such fields all the same. */
const types: readonly unknown[] = ["string", "integer", "boolean", "number"];
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const decimal = /^-?\d+(\.\d+)?$/;
/**
 * Keywords with schemas below which no member is declared, because whether they apply depends on the
 * arguments.
 */
const schemaKeywords = [
  ...[
    "items",
    "prefixItems",
    "contains",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
  ],
  ...["propertyNames", "oneOf", "anyOf", "allOf", "not", "if", "then", "else"],
];
/** Those whose schemas are the values of an object. */
const schemaMapKeywords = ["patternProperties", "dependentSchemas", "$defs", "definitions"];

/**
 * The header fields `Mcp-Param-*` that tools declare by `x-mcp-header` in their `inputSchema` (MCP
 * 2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters"). The bridge learns them from the
 * answers to `tools/list` that pass through.
 */
export class ToolHeaders {
  readonly #tools = new Map<string, readonly Declaration[]>();

  /** Reads an answer to `tools/list`. */
  learn(answer: Message): void {
    const result = answer.value["result"];
    const tools = isObject(result) && Array.isArray(result["tools"]) ? (result["tools"] as unknown[]) : [];
    for (const tool of tools) {
      if (!isObject(tool) || typeof tool["name"] !== "string") continue;
      this.#tools.delete(tool["name"]);
      const declarations = declarationsOf(tool["inputSchema"]);
      if (declarations.length > 0) this.#tools.set(tool["name"], declarations);
    }
    for (const name of this.#tools.keys()) {
      if (this.#tools.size <= maxTools) break;
      this.#tools.delete(name);
    }
  }

  /**
   * Compares the header fields of a `tools/call` with its arguments. A tool that no visitor has listed yet is
   * not checked: the bridge asks the server nothing of its own, and the arguments, which are what counts,
   * pass anyway.
   */
  check({ headers }: Request, call: RequestMessage): Refusal | undefined {
    if (call.value.method !== "tools/call") return undefined;
    const params = paramsOf(call);
    const name = params?.["name"];
    if (typeof name !== "string") return undefined;
    for (const declaration of this.#tools.get(name) ?? []) {
      const refusal = checkField(headers, declaration, params?.["arguments"]);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }
}

function checkField(headers: Headers, { path, name, type }: Declaration, args: unknown): Refusal | undefined {
  let value = args;
  for (const member of path) value = isObject(value) ? value[member] : undefined;
  const expected = primitiveText(value);
  if (expected === undefined) return undefined;
  const field = `Mcp-Param-${name}`;
  const given = headers.get(field);
  const carried = `${path.join(".")}=${JSON.stringify(value)}`;
  if (given === null) return mismatch(field, `the body carries ${carried} but the ${field} header is absent`);
  const decoded = decodeHeaderValue(given);
  if (decoded === undefined)
    return mismatch(field, `the ${field} header carries an invalid Base64 sentinel value`);
  const isNumeric = (type === "integer" || type === "number") && typeof value === "number";
  if (isNumeric && decimal.test(decoded) ? Number(decoded) === value : decoded === expected) return undefined;
  const named = JSON.stringify(decoded);
  return mismatch(field, `the ${field} header decodes to ${named} but the body carries ${carried}`);
}

/** A value as a header field writes it. `undefined`: the field is not expected for it. */
function primitiveText(value: unknown): string | undefined {
  if (typeof value === "number")
    return Number.isInteger(value) && !Number.isSafeInteger(value) ? undefined : String(value);
  return typeof value === "string" || typeof value === "boolean" ? String(value) : undefined;
}

/**
 * The declarations of a schema: none if one of them is against the rules, which makes the tool's schema
 * invalid.
 */
function declarationsOf(schema: unknown): readonly Declaration[] {
  const declarations: Declaration[] = [];
  const isSound = gather(schema, [], true, declarations);
  const names = new Set(declarations.map(({ name }) => name.toLowerCase()));
  return isSound && names.size === declarations.length ? declarations : [];
}

/** Gathers the declarations of a schema and of those below it. False if one is against the rules. */
function gather(
  schema: unknown,
  path: readonly string[],
  isReachable: boolean,
  into: Declaration[],
): boolean {
  if (path.length > maxDepth) return false;
  if (!isObject(schema)) return true;
  if (declarationKey in schema) {
    const declaration = { path, name: schema[declarationKey], type: schema["type"] };
    if (!isReachable || path.length === 0 || !isDeclaration(declaration)) return false;
    into.push(declaration);
  }
  return (
    entriesOf(schema["properties"]).every(([key, below]) =>
      gather(below, [...path, key], isReachable, into),
    ) && [...branchesOf(schema)].every((below) => gather(below, [...path, ""], false, into))
  );
}

function isDeclaration(declaration: {
  path: readonly string[];
  name: unknown;
  type: unknown;
}): declaration is Declaration {
  return (
    types.includes(declaration.type) && typeof declaration.name === "string" && token.test(declaration.name)
  );
}

function* branchesOf(schema: JsonObject): Generator {
  for (const keyword of schemaKeywords) {
    const below = schema[keyword];
    if (Array.isArray(below)) yield* below as unknown[];
    else yield below;
  }
  for (const keyword of schemaMapKeywords) for (const [, below] of entriesOf(schema[keyword])) yield below;
}

function entriesOf(value: unknown): [string, unknown][] {
  return isObject(value) ? Object.entries(value) : [];
}
