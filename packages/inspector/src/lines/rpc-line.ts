import { headerValue } from "mcp-tunnel-protocol";
import type { RawHeaders } from "mcp-tunnel-protocol";
import { isObject, oneLine } from "mcp-tunnel-shared";
import { readMessages, subjectOf, toolErrorOf } from "../rpc.js";
import type { RpcMessage } from "../rpc.js";
import type { LineHider } from "./line-hider.js";

/** What a request is in MCP, in the few words for which a line has room. */
export interface LineMcp {
  /**
   * The method of its first message. `(answer)` if the visitor answers requests of the server, and their
   * method is not known.
   */
  readonly method: string;
  /** Name of the tool or the prompt, or URI of the resource. */
  readonly name?: string;
  /** Of `initialize`: what the client calls itself, and its version. */
  readonly client?: string;
  /** The visitor answers a request of the server that had this method. */
  readonly isAnswer?: true;
  /** How many messages the request has, if there are more than one. */
  readonly batch?: number;
  /** The first error of the answer. */
  readonly error?: LineError;
}

/** A JSON-RPC error, or a tool's result with `isError`, which has no code. */
export interface LineError {
  readonly code?: number;
  /** Its first words, in one line. May be empty. */
  readonly message: string;
}

/** The longest text of a stranger that a line may have, in characters. */
const maxTextLength = 200;
/**
 * How much of it is searched for secrets, in characters. A search through 64 KiB takes as long as a hundred
 * requests, and any visitor can send such a name.
 */
const maxSearched = 4_096;

/** A message that says of itself that it is an error, in a text of messages that are mostly none. */
const mayFail = /"error"\s*:|"isError"\s*:\s*true/;

/**
 * What a request is, by its body. `methodOf` knows the method of a request of the server by its id. Undefined
 * if it is no JSON-RPC.
 */
export function readRequest(
  text: string,
  hider: LineHider,
  methodOf: (id: RpcMessage["id"]) => string | undefined,
): LineMcp | undefined {
  const messages = readMessages(text);
  const [first] = messages;
  if (first === undefined) return undefined;
  const mcp: Writable<LineMcp> = { method: words(first.method ?? methodOf(first.id) ?? "(answer)") };
  if (first.method === undefined) {
    mcp.isAnswer = true;
    if (first.error !== undefined) mcp.error = errorOf(first.error, hider);
  } else {
    const name = subjectOf(first);
    if (name !== undefined) mcp.name = nameText(name, hider);
    const client = first.method === "initialize" ? clientOf(first) : undefined;
    if (client !== undefined) mcp.client = words(client);
  }
  if (messages.length > 1) mcp.batch = messages.length;
  return mcp;
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

/**
 * What a request is, by the fields `Mcp-Method` and `Mcp-Name` (MCP 2026-07-28, "Streamable HTTP"), for one
 * whose body is too long to be read.
 */
export function readFields(headers: RawHeaders, hider: LineHider): LineMcp | undefined {
  const method = headerValue(headers, "mcp-method");
  if (method === undefined) return undefined;
  const name = headerValue(headers, "mcp-name");
  return { method: words(method), ...(name === undefined ? {} : { name: nameText(name, hider) }) };
}

/** The first error in an answer, or in an event of an answer. */
export function readError(text: string, hider: LineHider): LineError | undefined {
  // Most answers are none, and need no parser.
  if (!mayFail.test(text)) return undefined;
  for (const message of readMessages(text)) {
    if (message.error !== undefined) return errorOf(message.error, hider);
    const failed = toolErrorOf(message);
    if (failed !== undefined) return { message: hiddenWords(failed, hider) };
  }
  return undefined;
}

/** The requests of the server in an event, which the visitor will answer. */
export function readServerRequests(text: string): RpcMessage[] {
  if (!text.includes('"method"') || !text.includes('"id"')) return [];
  return readMessages(text).filter(({ kind }) => kind === "request");
}

function errorOf({ code, message }: NonNullable<RpcMessage["error"]>, hider: LineHider): LineError {
  return { ...(code === undefined ? {} : { code }), message: hiddenWords(message, hider) };
}

function clientOf({ params }: RpcMessage): string | undefined {
  const info = params["clientInfo"];
  const { name, version } = isObject(info) ? info : {};
  if (typeof name !== "string") return undefined;
  return typeof version === "string" ? `${name} ${version}` : name;
}

/** The name of a tool, say, in which there is nothing to hide. */
const plainName = /^[\w.-]{1,64}$/;

function nameText(name: string, hider: LineHider): string {
  return plainName.test(name) ? name : hiddenWords(name, hider);
}

function hiddenWords(text: string, hider: LineHider): string {
  return words(hider.text(text.slice(0, maxSearched)));
}

/** The first words of a text, in one line. */
function words(text: string): string {
  const first = text.length > maxTextLength ? text.slice(0, maxTextLength) : text;
  return first.includes("\n") ? oneLine(first) : first;
}
