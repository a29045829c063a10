import { isObject, type JsonObject } from "./json.js";

/**
 * The member of `params` that `Mcp-Name` repeats (MCP 2026-07-28, Streamable HTTP, "Standard Request
 * Headers", and the tasks extension).
 */
const namedBy: ReadonlyMap<string, string> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["tasks/get", "taskId"],
  ["tasks/update", "taskId"],
  ["tasks/cancel", "taskId"],
]);

/** The member of the `params` of a method that the header field `Mcp-Name` repeats, if there is one. */
export function mcpNameMember(method: string): string | undefined {
  return namedBy.get(method);
}

const start = "=?base64?";
const end = "?=";
const canonicalBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/**
 * Visible ASCII, with spaces and tabs inside. A recipient takes off those at the ends (RFC 9110 section 5.5).
 */
const plain = /^(?![ \t])[\t\x20-\x7e]*(?<![ \t])$/;

/**
 * What the value of an `Mcp-Name` or `Mcp-Param-*` field stands for (MCP 2026-07-28, Streamable HTTP, "Value
 * Encoding"): text that a header field cannot hold is written `=?base64?...?=`. `undefined`: that part is not
 * base64 as it has to be, or not UTF-8.
 */
export function decodeHeaderValue(value: string): string | undefined {
  if (!isEncoded(value)) return value;
  const encoded = value.slice(start.length, -end.length);
  if (!canonicalBase64.test(encoded)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(encoded, "base64"));
  } catch {
    return undefined;
  }
}

/**
 * The value of an `Mcp-Name` or `Mcp-Param-*` field that stands for a text. See {@link decodeHeaderValue}.
 */
export function encodeHeaderValue(text: string): string {
  return plain.test(text) && !isEncoded(text) ? text : start + Buffer.from(text).toString("base64") + end;
}

function isEncoded(value: string): boolean {
  return value.startsWith(start) && value.endsWith(end);
}

/** A member of a tool's arguments that the header field `Mcp-Param-<name>` repeats. */
export interface McpParamHeader {
  /** The names of the members on the way to it, from the outermost. */
  readonly path: readonly string[];
  readonly name: string;
  readonly type: unknown;
}

/** How deep a schema is read. A schema that is deeper declares nothing. */
const maxDepth = 64;

const declarationKey = "x-mcp-header";
/** Revision 2026-07-28 allows no `number`. The SDK compares such fields all the same. */
const types: readonly unknown[] = ["string", "integer", "boolean", "number"];
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
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

/** The value in a tool's arguments that the field repeats. */
export function mcpParamValue(args: unknown, { path }: McpParamHeader): unknown {
  let value = args;
  for (const member of path)
    value = isObject(value) && Object.hasOwn(value, member) ? value[member] : undefined;
  return value;
}

/** A value as a header field writes it. `undefined`: the field is not expected for it. */
export function mcpParamText(value: unknown): string | undefined {
  if (typeof value === "number")
    return Number.isInteger(value) && !Number.isSafeInteger(value) ? undefined : String(value);
  return typeof value === "string" || typeof value === "boolean" ? String(value) : undefined;
}

/**
 * The header fields `Mcp-Param-*` that a tool declares by `x-mcp-header` in its `inputSchema` (MCP
 * 2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters"): none if a declaration is against the
 * rules, which makes the tool's schema invalid.
 */
export function mcpParamHeaders(schema: unknown): readonly McpParamHeader[] {
  const declarations: McpParamHeader[] = [];
  const isSound = gather(schema, [], true, declarations);
  const names = new Set(declarations.map(({ name }) => name.toLowerCase()));
  return isSound && names.size === declarations.length ? declarations : [];
}

/** Gathers the declarations of a schema and of those below it. False if one is against the rules. */
function gather(
  schema: unknown,
  path: readonly string[],
  isReachable: boolean,
  into: McpParamHeader[],
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
}): declaration is McpParamHeader {
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
