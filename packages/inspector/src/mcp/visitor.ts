import { headerValue, isMcp, mayBeJsonRpc } from "mcp-tunnel-protocol";
import { isObject } from "mcp-tunnel-shared";
import type { Captured } from "../captured.js";
import type { CallReading, McpReading, MessagePlace } from "../reading.js";
import { metaOf, readId, readMessage, readPlaces, type RpcMessage, subjectOf } from "../rpc.js";
import { bodyText } from "./body-text.js";
import { headerDisagreements } from "./header-notes.js";
import { sessionOf, sessionWithId, takeInitialize } from "./grouping.js";
import { inputResponsesOf } from "./modern.js";
import { peekPlaces } from "./peek.js";
import { addItem, addNote, type Room, sinceStart, touchCall } from "./room.js";
import type { Session } from "./session.js";
import { textBytes, textOrPart, wordsOfAnswer, wordsOfCancel, wordsOfError } from "./words.js";

/** Of an exchange in which there is nothing to read. */
export const nothing: McpReading = Object.freeze({
  session: undefined,
  method: undefined,
  name: undefined,
  messages: 0,
  calls: [],
  events: 0,
});

/** Calls of one batch that are kept. */
const maxCalls = 100;
const maxName = 300;
/** Names of arguments are of any length. */
const maxNote = 600;
/** About what a reading, and a call in it, take in memory without their texts, in bytes. */
const readingBytes = 200;
const callBytes = 900;
const mark = '"jsonrpc"';

/**
 * Reads the request of an exchange. `isComplete`: no more of its body comes. Undefined: there may be more to
 * read later.
 */
export function readVisitor(room: Room, entry: Captured, isComplete: boolean): McpReading | undefined {
  const { method, headers } = entry.head;
  if (entry.refusal !== undefined) return nothing;
  if (mayBeJsonRpc(method, headers)) return readPost(room, entry, isComplete);
  if (method !== "GET" && method !== "DELETE") return nothing;
  const id = headerValue(headers, "mcp-session-id");
  if (id === undefined) return nothing;
  const session = sessionWithId(room, entry, id);
  room.sessions.touch(session, entry.startedAt);
  return reading(session, undefined, 0, []);
}

function readPost(room: Room, entry: Captured, isComplete: boolean): McpReading | undefined {
  const messages = messagesOf(room, entry);
  if (messages === undefined) return isComplete ? unread(room, entry) : undefined;
  const first = messages.all.find((message) => message !== undefined);
  if (first === undefined) return isComplete ? nothing : undefined;
  const session = sessionOf(room, entry, first);
  const calls: CallReading[] = [];
  const read = reading(session, first, messages.all.length, calls);
  room.sessions.touch(session, entry.startedAt);
  entry.mcp = read;
  let bytes = readingBytes + textBytes(read.method, read.name);
  for (const [position, message] of messages.all.entries()) {
    // What was read so far may have been too much for the ring.
    if (entry.mcp !== read) break;
    if (message === undefined) continue;
    const place: MessagePlace = { exchange: entry.id, part: "request", event: 0, position };
    if (message.kind !== "request") {
      takeFromVisitor(room, entry, session, message, place);
      continue;
    }
    if (calls.length === maxCalls) continue;
    const call = callOf(entry, session, message, place, messages.all.length);
    calls.push(call);
    session.add(call);
    bytes += callBytes + textBytes(call.method, call.name, call.id, call.progressToken);
    takeAnswers(room, session, call, message, place);
    if (messages.all.length === 1) noteHeaders(room, entry, session, call, message);
    if (message.method === "initialize") takeInitialize(room, session, message);
  }
  const [one] = calls;
  if (one !== undefined && (messages.isCut || messages.all.length > maxCalls)) {
    const text = messages.isCut
      ? "The request is longer than what is kept of it, so it was read only in part"
      : `Only the first ${maxCalls} requests of the batch are shown`;
    addNote(room, one, { code: "not_read", text });
  }
  entry.grow(bytes);
  return entry.mcp;
}

/**
 * The messages of the body. Undefined if there is no text that could have any. The search for `"jsonrpc"`
 * spares the other JSON that passes from being parsed.
 */
function messagesOf(
  { unpacked }: Room,
  entry: Captured,
): { readonly all: readonly (RpcMessage | undefined)[]; readonly isCut: boolean } | undefined {
  const { requestBody, head } = entry;
  const isEncoded = headerValue(head.headers, "content-encoding") !== undefined;
  const isOne = isEncoded || isMcp(head.headers) || requestBody.includes(mark);
  const body = isOne ? bodyText(requestBody, head.headers, unpacked) : undefined;
  if (body === undefined) return undefined;
  return { all: body.isCut ? peekPlaces(body.text) : readPlaces(body.text), isCut: body.isCut };
}

/**
 * Revision 2026-07-28 names method and subject in header fields: they tell what a body was that was not kept.
 */
function unread(room: Room, entry: Captured): McpReading {
  const { headers } = entry.head;
  const method = headerValue(headers, "mcp-method");
  if (method === undefined || entry.requestBody.bytes === 0) return nothing;
  const name = headerValue(headers, "mcp-name");
  const message = readMessage({ jsonrpc: "2.0", id: 0, method, params: { name, uri: name } });
  if (message === undefined) return nothing;
  const session = sessionOf(room, entry, message);
  room.sessions.touch(session, entry.startedAt);
  return reading(session, message, 1, []);
}

function reading(
  session: Session,
  first: RpcMessage | undefined,
  messages: number,
  calls: CallReading[],
): McpReading {
  const method = first === undefined ? undefined : (first.method ?? "(answer)");
  const name = first && subjectOf(first);
  return {
    session: session.key,
    method: method && textOrPart(method, maxName),
    name: name && textOrPart(name, maxName),
    messages,
    calls,
    events: 0,
  };
}

// ---- calls

function callOf(
  entry: Captured,
  session: Session,
  message: RpcMessage,
  place: MessagePlace,
  messages: number,
): CallReading {
  const method = textOrPart(message.method ?? "", maxName);
  const subject = subjectOf(message);
  const name = subject === undefined ? undefined : textOrPart(subject, maxName);
  return {
    key: `${entry.id}.${place.position}`,
    session: session.key,
    exchange: entry.id,
    position: place.position,
    method,
    name,
    id: message.id ?? undefined,
    progressToken: readId(metaOf(message.params)["progressToken"]),
    isLaterPage: message.params["cursor"] !== undefined,
    startedAt: entry.startedAt,
    requestBytes: messages === 1 ? entry.requestBody.bytes : Math.round(entry.requestBody.bytes / messages),
    replayOf: entry.replayOf,
    outcome: "open",
    durationMs: undefined,
    error: undefined,
    lastProgress: undefined,
    progress: 0,
    logs: 0,
    requests: 0,
    responseBytes: 0,
    notes: [],
    timeline: [{ atMs: 0, from: "client", kind: "request", method, text: name ?? "", place }],
    answer: undefined,
    asked: [],
  };
}

function noteHeaders(
  room: Room,
  entry: Captured,
  session: Session,
  call: CallReading,
  message: RpcMessage,
): void {
  if (session.start.era !== "modern") return;
  const declared = call.method === "tools/call" ? (session.tools?.headersOf(call.name ?? "") ?? []) : [];
  for (const text of headerDisagreements(entry.head.headers, message, declared))
    addNote(room, call, { code: "header_mismatch", text: textOrPart(text, maxNote) });
}

// ---- other messages of the visitor

function takeFromVisitor(
  room: Room,
  entry: Captured,
  session: Session,
  message: RpcMessage,
  place: MessagePlace,
): void {
  const at = entry.startedAt;
  if (message.kind === "notification") {
    if (message.method !== "notifications/cancelled") return;
    const id = readId(message.params["requestId"]);
    const call = id === undefined ? undefined : session.callOf(id);
    if (call === undefined) return;
    const atMs = sinceStart(call, at);
    if (call.outcome === "open") session.settle(call, "cancelled", atMs);
    const text = wordsOfCancel(message);
    addItem(room, call, { atMs, from: "client", kind: "cancel", method: message.method, text, place });
    return;
  }
  const asked = message.id == null ? undefined : session.asked(message.id);
  if (asked === undefined) return;
  const { call, method } = asked;
  const text = message.result === undefined ? wordsOfError(message) : wordsOfAnswer(message.result);
  const atMs = sinceStart(call, at);
  addItem(room, call, { atMs, from: "client", kind: "client_answer", method, text, place });
}

/**
 * Takes the answers in a request that is made again (MCP 2026-07-28), for it and for the call whose result
 * has asked for them.
 */
function takeAnswers(
  room: Room,
  session: Session,
  call: CallReading,
  message: RpcMessage,
  place: MessagePlace,
): void {
  if (session.start.era !== "modern") return;
  const answers = inputResponsesOf(message);
  const { requestState } = message.params;
  if (answers.length === 0 && requestState === undefined) return;
  const before = session.takeUnfinished(unfinishedMark(call, requestState));
  for (const [key, answer] of answers.slice(0, maxCalls)) {
    const said = isObject(answer) ? wordsOfAnswer(answer) : "";
    const text = textOrPart(said === "" ? key : `${key}: ${said}`, maxName);
    for (const one of before === undefined ? [call] : [before, call]) {
      const atMs = sinceStart(one, call.startedAt);
      addItem(room, one, { atMs, from: "client", kind: "client_answer", text, place });
    }
  }
  if (before !== undefined) touchCall(room, before, call.startedAt);
}

/**
 * Tells which call a request continues: by the state that the server has given, or else by what it is about.
 */
export function unfinishedMark({ method, name }: CallReading, state: unknown): string {
  const told = typeof state === "string" ? `${state.length} ${textOrPart(state, 100)}` : "";
  return `${method}\n${name ?? ""}\n${told}`;
}
