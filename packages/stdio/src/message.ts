import { Buffer } from "node:buffer";
import { isObject, type JsonObject } from "mcp-tunnel-shared";

/** The id of a JSON-RPC request (JSON-RPC 2.0 section 4). MCP allows no null. */
export type RequestId = string | number;

/**
 * One JSON-RPC message on its way between a visitor and a server. The bridge passes `text` on as it came. It
 * reads from `value` where the message has to go, and changes nothing in it: what it does not know, such as
 * extensions and methods of later revisions, passes as well.
 */
export interface Message {
  /** JSON on one line: it has no CR and no LF. */
  readonly text: string;
  /** The parsed {@link text}. */
  readonly value: JsonObject;
}

/** A request: it has a method and an id. */
export interface RequestMessage extends Message {
  readonly value: JsonObject & { readonly method: string; readonly id: RequestId };
}

/** A notification: it has a method and no id. */
export interface NotificationMessage extends Message {
  readonly value: JsonObject & { readonly method: string };
}

/** A response: it has a result or an error. Its id is null if the request could not be read. */
export interface ResponseMessage extends Message {
  readonly value: JsonObject & { readonly id: RequestId | null };
}

/**
 * The text of a message on one line. Line ends between the parts of JSON have no meaning (RFC 8259 section
 * 2).
 */
export function onOneLine(text: string): string {
  if (!/[\r\n]/.test(text)) return text;
  // Text that is mostly line ends takes replaceAll() seconds for 32 MiB, in which nothing else is done.
  const bytes = Buffer.from(text);
  for (const lineEnd of [0x0a, 0x0d]) {
    for (let at = bytes.indexOf(lineEnd); at !== -1; at = bytes.indexOf(lineEnd, at + 1)) bytes[at] = 0x20;
  }
  return bytes.toString();
}

/**
 * The message with as much of its value as its way depends on, for one that may have to wait. A value can
 * take twenty times the memory of its text.
 */
export function light<M extends Message>(message: M): M {
  const { id, method } = message.value;
  const value: JsonObject = {
    ...("id" in message.value && { id }),
    method,
    params: { requestId: cancelledOf(message), _meta: { progressToken: progressTokenOf(message) } },
  };
  return { text: message.text, value } as M;
}

/** Reads JSON text as a message. `undefined` if it is no JSON, or not the JSON of one JSON-RPC message. */
export function parseMessage(text: string): Message | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isMessageValue(value) ? { text: onOneLine(text), value } : undefined;
}

/** Whether a value is the value of a JSON-RPC message. Members that JSON-RPC does not know are allowed. */
export function isMessageValue(value: unknown): value is JsonObject {
  if (!isObject(value) || value["jsonrpc"] !== "2.0" || hasLongToken(value)) return false;
  if (typeof value["method"] === "string") return !("id" in value) || isRequestId(value["id"]);
  return (
    ("result" in value || isObject(value["error"])) && (value["id"] === null || isRequestId(value["id"]))
  );
}

export function isRequest(message: Message): message is RequestMessage {
  return typeof message.value["method"] === "string" && "id" in message.value;
}

export function isNotification(message: Message): message is NotificationMessage {
  return typeof message.value["method"] === "string" && !("id" in message.value);
}

export function isResponse(message: Message): message is ResponseMessage {
  return typeof message.value["method"] !== "string";
}

/**
 * An id is kept as long as its request is pending, and so is a progress token. They may not be longer than
 * this, in characters. Those of MCP's SDKs are numbers.
 */
const maxIdLength = 1_024;

export function isRequestId(value: unknown): value is RequestId {
  return typeof value === "number" || (typeof value === "string" && value.length <= maxIdLength);
}

function hasLongToken(value: JsonObject): boolean {
  const token = metaOf({ text: "", value })?.["progressToken"];
  return typeof token === "string" && !isRequestId(token);
}

/** The `params` of a message, if they are an object. */
export function paramsOf({ value }: Message): JsonObject | undefined {
  return isObject(value["params"]) ? value["params"] : undefined;
}

/** The `_meta` of a message's `params`, if it is an object. */
export function metaOf(message: Message): JsonObject | undefined {
  const meta = paramsOf(message)?.["_meta"];
  return isObject(meta) ? meta : undefined;
}

/** The token under which the sender of a request wants to hear of its progress. */
export function progressTokenOf(request: Message): RequestId | undefined {
  const token = metaOf(request)?.["progressToken"];
  return isRequestId(token) ? token : undefined;
}

/** The token of the request that a notification tells the progress of. */
export function progressOf(notification: Message): RequestId | undefined {
  if (notification.value["method"] !== "notifications/progress") return undefined;
  const token = paramsOf(notification)?.["progressToken"];
  return isRequestId(token) ? token : undefined;
}

/** The request that a notification cancels. */
export function cancelledOf(notification: Message): RequestId | undefined {
  if (notification.value["method"] !== "notifications/cancelled") return undefined;
  const id = paramsOf(notification)?.["requestId"];
  return isRequestId(id) ? id : undefined;
}

/** JSON-RPC error codes that the bridge answers with itself (JSON-RPC 2.0 section 5.1, and MCP). */
export const errorCodes = {
  parseError: -32_700,
  invalidRequest: -32_600,
  methodNotFound: -32_601,
  internalError: -32_603,
  /** What MCP's SDKs answer for faults of the transport. */
  badRequest: -32_000,
  sessionNotFound: -32_001,
  unsupportedVersion: -32_022,
  headerMismatch: -32_020,
  /** The client has not declared a capability that the request needs. */
  missingCapability: -32_021,
} as const;

/** The text of an error response of the bridge's own. */
export function errorText(id: RequestId | null, code: number, message: string, data?: unknown): string {
  const error = data === undefined ? { code, message } : { code, message, data };
  return JSON.stringify({ jsonrpc: "2.0", id, error });
}
