import type { RequestHead, ResponseHead } from "../tunnel.js";
import { fromWireText, headersFromWire, statusBytes, toWireText, type WireHeaders } from "./headers.js";

/** A message that is a JSON object with an `id`; nothing else in it has been checked. */
export type Message = { id: string; kind?: unknown } & Record<string, unknown>;

/**
 * The longest id, in characters. An id is a UUID. It is held as long as its exchange, and is in every message
 * about it.
 */
const maxIdLength = 256;
/** The longest text of a reason that is kept, in characters: the same as in version 1. */
const maxReasonLength = 1_024;
/**
 * The most that a message may have besides its body, in characters: a head of 256 KiB, and as much for
 * escapes and structure.
 */
const maxBesideBody = 524_288;

/**
 * Whether a text is more than a message can have. The cost of parsing depends on the structure, and is
 * highest for structures that no message has: 16 MiB take 40 ms as one string and 2 s as empty objects. So a
 * long text is checked before it is parsed: its longest run without a quotation mark must be the body, and
 * the rest must be short.
 */
export function isExcessive(text: string): boolean {
  if (text.length <= maxBesideBody) return false;
  let body = "";
  for (let from = 0, to = 0; from <= text.length; from = to + 1) {
    to = text.indexOf('"', from);
    if (to === -1) to = text.length;
    if (to - from > body.length) body = text.slice(from, to);
    if (to - body.length > maxBesideBody) return true;
  }
  return !/^[\w+/=-]*$/.test(body);
}

/** Returns `undefined` for a text that is no such message; both ends skip it. */
export function parseMessage(text: string): Message | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { id } = value as { id?: unknown };
  return typeof id === "string" && id.length <= maxIdLength ? (value as Message) : undefined;
}

/** client -> relay. The content of a message about one response; `malformed` says what is wrong with it. */
export type Reply =
  /** 0.1: head and body, the body still in base64. */
  | { type: "whole"; head: ResponseHead; body: string }
  /** 0.2, as are the types below. */
  | { type: "head"; head: ResponseHead }
  | { type: "chunk"; data: Buffer; last: boolean }
  | { type: "error"; message: string }
  | { type: "malformed"; problem: string };

/** Returns `undefined` for a `kind` that is not a reply, because the original skips such messages. */
export function readReply(message: Message): Reply | undefined {
  switch (message.kind) {
    case undefined: {
      const head = readResponseHead(message);
      if (typeof head === "string") return malformed(head);
      const body = message["body"] ?? "";
      return typeof body === "string" ? { type: "whole", head, body } : malformed("body is not a string");
    }
    case "response_head": {
      const head = readResponseHead(message);
      return typeof head === "string" ? malformed(head) : { type: "head", head };
    }
    case "response_chunk": {
      const { data, last } = message;
      if (typeof data !== "string" || typeof last !== "boolean") {
        return malformed("response_chunk needs data, a string, and last, a boolean");
      }
      const decoded = decodeBase64(data);
      if (decoded === undefined) return malformed("data is not base64");
      return { type: "chunk", data: decoded, last };
    }
    case "response_error": {
      const text = message["message"];
      const reason = typeof text === "string" ? text.slice(0, maxReasonLength) : "no reason given";
      return { type: "error", message: reason };
    }
    default:
      return undefined;
  }
}

const malformed = (problem: string): Reply => ({ type: "malformed", problem });

/** This wire has no interim heads and no upgrades, so a 1xx could never be followed by the rest. */
export function isFinalStatus(status: unknown): status is number {
  return typeof status === "number" && Number.isInteger(status) && status >= 200 && status <= 999;
}

export const noFinalStatus = "status is not a whole number from 200 to 999";

function readResponseHead(message: Message): ResponseHead | string {
  const { status } = message;
  if (!isFinalStatus(status)) return noFinalStatus;
  const headers = headersFromWire(message["headers"], statusBytes);
  return typeof headers === "string" ? headers : { status, headers };
}

/** Bytes of a request's head. */
export function headBytes({ method, path, headers }: RequestHead): number {
  let bytes = method.length + path.length;
  for (const text of headers) bytes += text.length;
  return bytes;
}

/** relay -> client. `body` is absent when the request has none. */
export interface Request {
  head: RequestHead;
  body: Buffer | undefined;
}

/** Returns a text that says what is wrong if the message is not a request. */
export function readRequest(message: Message): Request | string {
  const { method, path, body } = message;
  if (typeof method !== "string" || method === "") return "method is missing";
  if (typeof path !== "string" || path === "") return "path is missing";
  const headers = headersFromWire(message["headers"], method.length + 1 + path.length);
  if (typeof headers === "string") return headers;
  const head: RequestHead = { method, path: fromWireText(path), headers };
  if (body === undefined || body === null || body === "") return { head, body: undefined };
  if (typeof body !== "string") return "body is not a string";
  const decoded = decodeBase64(body);
  return decoded === undefined ? "body is not base64" : { head, body: decoded };
}

export function writeRequest(id: string, head: RequestHead, headers: WireHeaders, body: Buffer): string {
  return JSON.stringify({
    kind: "request",
    id,
    method: head.method,
    path: toWireText(head.path),
    headers,
    body: encodeBody(body),
  });
}

export const writeCancel = (id: string): string => JSON.stringify({ kind: "cancel", id });

export const writeWhole = (id: string, status: number, headers: WireHeaders, body: Buffer): string =>
  JSON.stringify({ id, status, headers, body: encodeBody(body) });

export const writeHead = (id: string, status: number, headers: WireHeaders): string =>
  JSON.stringify({ kind: "response_head", id, status, headers });

export const writeChunk = (id: string, data: Buffer, last: boolean): string =>
  JSON.stringify({ kind: "response_chunk", id, data: data.toString("base64"), last });

export const writeError = (id: string, message: string): string =>
  JSON.stringify({ kind: "response_error", id, message });

/** The original sends `null` for an empty body. */
const encodeBody = (body: Buffer): string | null => (body.length === 0 ? null : body.toString("base64"));

/** Number of bytes that well-formed base64 of this length stands for. */
export function base64Bytes(text: string): number {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return (text.length / 4) * 3 - padding;
}

/** Decodes padded base64 (RFC 4648 section 4). Returns `undefined` for any other text. */
export function decodeBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0) return undefined;
  const bytes = Buffer.from(text, "base64");
  // Node skips characters that it cannot decode, so they show as missing bytes.
  return bytes.length === base64Bytes(text) ? bytes : undefined;
}
