import { detached, isObject } from "mcp-tunnel-shared";

/** The id of a JSON-RPC request (JSON-RPC 2.0 section 4), and a progress token of MCP. */
export type RpcId = string | number;

/** What the inspector reads of a JSON-RPC message. Anything may stand where it is not expected. */
export interface RpcMessage {
  readonly kind: "request" | "notification" | "result" | "error";
  readonly method: string | undefined;
  readonly id: RpcId | null | undefined;
  readonly params: Readonly<Record<string, unknown>>;
  readonly result: Readonly<Record<string, unknown>> | undefined;
  readonly error: { readonly code: number | undefined; readonly message: string } | undefined;
}

/** An id is kept as long as its request. Of a longer one, so many characters count. */
const maxIdLength = 256;

/** The messages in a text: one, those of a batch, or none if it is not JSON-RPC. */
export function readMessages(text: string): RpcMessage[] {
  return readPlaces(text).filter((message) => message !== undefined);
}

/** The same, with undefined in the place of what is no message. */
export function readPlaces(text: string): (RpcMessage | undefined)[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const all: unknown[] = Array.isArray(value) ? value : [value];
  return all.map(readMessage);
}

/** The message that a value is. Undefined if it is none. */
export function readMessage(value: unknown): RpcMessage | undefined {
  if (!isObject(value) || value["jsonrpc"] !== "2.0") return undefined;
  const { id: givenId, method: givenMethod, params, result, error } = value;
  const id = givenId === null ? null : readId(givenId);
  const method = typeof givenMethod === "string" ? givenMethod : undefined;
  const read = isObject(params) ? params : nothing;
  // Written out: to spread one object into another takes longer than to parse the message.
  if (method !== undefined) {
    const kind = id == null ? "notification" : "request";
    return { kind, method, id, params: read, result: undefined, error: undefined };
  }
  if (error !== undefined) {
    return { kind: "error", method, id, params: read, result: undefined, error: readError(error) };
  }
  if (result === undefined) return undefined;
  const found = isObject(result) ? result : nothing;
  return { kind: "result", method, id, params: read, result: found, error: undefined };
}

const nothing: Readonly<Record<string, unknown>> = {};

/** An id or a progress token. */
export function readId(value: unknown): RpcId | undefined {
  if (typeof value === "string")
    return value.length > maxIdLength ? detached(value.slice(0, maxIdLength)) : value;
  return typeof value === "number" ? value : undefined;
}

function readError(error: unknown): { code: number | undefined; message: string } {
  if (!isObject(error)) return { code: undefined, message: "" };
  const { code, message } = error;
  return {
    code: typeof code === "number" ? code : undefined,
    message: typeof message === "string" ? message : "",
  };
}

/** What a request is about: the tool, the prompt or the resource. */
export function subjectOf({ method, params }: RpcMessage): string | undefined {
  switch (method) {
    case "tools/call":
    case "prompts/get":
      return typeof params["name"] === "string" ? params["name"] : undefined;
    case "resources/read":
    case "resources/subscribe":
    case "resources/unsubscribe":
      return typeof params["uri"] === "string" ? params["uri"] : undefined;
    default:
      return undefined;
  }
}

/** The first text of a tool's result that says that the tool has failed. */
export function toolErrorOf({ result }: RpcMessage): string | undefined {
  return result?.["isError"] === true ? (firstTextOf(result) ?? "") : undefined;
}

/** The first text of the content of a tool's result. */
export function firstTextOf(result: Readonly<Record<string, unknown>>): string | undefined {
  const content: unknown[] = Array.isArray(result["content"]) ? result["content"] : [];
  const first = content.find((part) => isObject(part) && typeof part["text"] === "string");
  return isObject(first) ? String(first["text"]) : undefined;
}

/** The `_meta` of `params` or of a result. */
export function metaOf(holder: Readonly<Record<string, unknown>> | undefined): Record<string, unknown> {
  const meta = holder?.["_meta"];
  return isObject(meta) ? meta : {};
}
