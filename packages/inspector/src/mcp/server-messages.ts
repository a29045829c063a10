import { isObject } from "mcp-tunnel-shared";
import type { Captured } from "../captured.js";
import type { CallReading, McpReading, MessagePlace, TimelineReading } from "../reading.js";
import { readId, type RpcMessage, toolErrorOf } from "../rpc.js";
import { overLimits } from "./host-limits.js";
import { inputRequestsOf, serverOf } from "./modern.js";
import { addItem, addNote, grow, type Room, sinceStart, touchCall } from "./room.js";
import { identityOf, namesOf, type Session } from "./session.js";
import { ToolList } from "./tool-list.js";
import { unfinishedMark } from "./visitor.js";
import {
  firstWords,
  textBytes,
  textOrPart,
  wordsOfCancel,
  wordsOfError,
  wordsOfLog,
  wordsOfProgress,
  wordsOfResult,
  wordsOfServerRequest,
} from "./words.js";

const maxMessage = 500;
const maxName = 300;
/** Requests in one result that asks for input of which the timeline tells. */
const maxAsked = 20;

/** About what a request of the server that waits for its answer takes in memory, in bytes. */
const askedBytes = 150;

/** A message of the server, and where and when it came. */
export interface Arrived {
  readonly message: RpcMessage;
  readonly place: MessagePlace;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly bytes: number;
}

/** Takes a message of the server to the call that it belongs to. `read`: of the exchange that carries it. */
export function takeFromServer(room: Room, read: McpReading, arrived: Arrived): void {
  const session = room.sessions.get(read.session);
  if (session === undefined) return;
  const call = callOfMessage(session, read, arrived.message);
  if (call === undefined) return;
  touchCall(room, call, arrived.at);
  call.responseBytes += arrived.bytes;
  switch (arrived.message.kind) {
    case "result":
    case "error":
      conclude(room, session, call, arrived);
      break;
    case "request":
      takeRequest(room, session, call, arrived);
      break;
    case "notification":
      takeNotification(room, call, arrived);
  }
}

/**
 * The call that a message belongs to. Messages that name none belong to the request on whose answer they come
 * (MCP, Streamable HTTP). On a stream of its own such a message belongs to the only call that is open, if
 * there is only one.
 */
function callOfMessage(session: Session, read: McpReading, message: RpcMessage): CallReading | undefined {
  const { kind, method, id, params } = message;
  if (kind === "result" || kind === "error") return answeredCall(session, read, id);
  const token = method === "notifications/progress" ? readId(params["progressToken"]) : undefined;
  if (token !== undefined)
    return read.calls.find(({ progressToken }) => progressToken === token) ?? session.callWithToken(token);
  const cancelled = method === "notifications/cancelled" ? readId(params["requestId"]) : undefined;
  if (cancelled !== undefined) {
    const asking = session.asked(cancelled)?.call ?? read.calls.find((call) => call.id === cancelled);
    if (asking !== undefined) return asking;
  }
  if (read.calls.length === 0) return session.onlyOpen;
  return read.calls.find(({ outcome }) => outcome === "open") ?? read.calls[0];
}

function answeredCall(session: Session, read: McpReading, id: RpcMessage["id"]): CallReading | undefined {
  const [first] = read.calls;
  // A server that could not read the request answers without an id. The id may stand where we cannot read it.
  if (first !== undefined && read.calls.length === 1 && (id == null || first.id === undefined)) return first;
  if (id == null) return undefined;
  return read.calls.find((call) => call.id === id) ?? session.callOf(id);
}

function conclude(room: Room, session: Session, call: CallReading, { message, place, at }: Arrived): void {
  if (call.answer !== undefined) return;
  call.answer = place;
  // A server may end the stream of an answer, and go on in one that resumes it (MCP 2025-11-25, Streamable
  // HTTP).
  const stale = call.notes.findIndex(({ code }) => code === "no_answer");
  if (stale !== -1) call.notes.splice(stale, 1);
  const atMs = sinceStart(call, at);
  const toolError = toolErrorOf(message);
  // A call that the client took back may be answered all the same, and one that was cut on another stream.
  if (call.outcome !== "cancelled") {
    const failed = message.kind === "error" ? "error" : "tool_error";
    session.settle(call, message.kind === "error" || toolError !== undefined ? failed : "ok", atMs);
    call.error = errorOf(message, toolError);
    grow(room, call, textBytes(call.error?.message));
  }
  const isError = message.kind === "error";
  const text = isError ? wordsOfError(message) : wordsOfResult(message);
  addItem(room, call, { atMs, from: "server", kind: isError ? "error" : "result", text, place });
  const over = overLimits(atMs);
  if (over !== undefined && call.method !== "subscriptions/listen")
    addNote(room, call, { code: "over_limit", text: over });
  if (message.result === undefined) return;
  takeInputRequests(room, session, call, message, atMs, place);
  learn(room, session, call, message.result);
}

function errorOf(message: RpcMessage, toolError: string | undefined): CallReading["error"] {
  if (toolError !== undefined) return { message: firstWords(toolError, maxMessage) };
  if (message.error === undefined) return undefined;
  const { code, message: text } = message.error;
  return { ...(code !== undefined && { code }), message: firstWords(text, maxMessage) };
}

/**
 * A result of revision 2026-07-28 may ask for something: the client makes its request again, with answers.
 */
function takeInputRequests(
  room: Room,
  session: Session,
  call: CallReading,
  message: RpcMessage,
  atMs: number,
  place: MessagePlace,
): void {
  if (message.result?.["resultType"] !== "input_required") return;
  session.leaveUnfinished(unfinishedMark(call, message.result["requestState"]), call);
  for (const [, request] of inputRequestsOf(message).slice(0, maxAsked)) {
    if (!isObject(request)) continue;
    const method = typeof request["method"] === "string" ? textOrPart(request["method"], maxName) : "";
    const text = wordsOfServerRequest(method, isObject(request["params"]) ? request["params"] : {});
    call.requests += 1;
    addItem(room, call, { atMs, from: "server", kind: "server_request", method, text, place });
  }
}

/** Keeps what a result tells of the server. */
function learn(
  room: Room,
  session: Session,
  call: CallReading,
  result: Readonly<Record<string, unknown>>,
): void {
  session.server = identityOf(serverOf(result)) ?? session.server;
  if (call.method === "initialize" || call.method === "server/discover") {
    session.serverCapabilities = namesOf(result["capabilities"]) ?? session.serverCapabilities;
    const version = result["protocolVersion"];
    if (typeof version === "string") session.protocolVersion = textOrPart(version, maxName);
  }
  if (call.method === "tools/list" && Array.isArray(result["tools"])) learnTools(room, session, call, result);
}

function learnTools(
  room: Room,
  session: Session,
  call: CallReading,
  result: Readonly<Record<string, unknown>>,
): void {
  const tools = call.isLaterPage && session.tools !== undefined ? session.tools : new ToolList();
  tools.add(result);
  session.tools = tools;
  room.sessions.keep();
  if (!tools.isLarge) return;
  const size = `${tools.count} tools in ${Math.round(tools.bytes / 1_000)} kB`;
  const text = `${size}: a host gives all of it to its model, and some refuse so much`;
  addNote(room, call, { code: "large_tools_list", text });
}

function takeRequest(room: Room, session: Session, call: CallReading, arrived: Arrived): void {
  const { message, place, at } = arrived;
  const method = textOrPart(message.method ?? "", maxName);
  call.requests += 1;
  if (message.id != null && session.ask(call, message.id, method)) {
    grow(room, call, askedBytes + textBytes(message.id, method));
  }
  const text = wordsOfServerRequest(method, message.params);
  const atMs = sinceStart(call, at);
  addItem(room, call, { atMs, from: "server", kind: "server_request", method, text, place });
}

function takeNotification(room: Room, call: CallReading, { message, place, at }: Arrived): void {
  const atMs = sinceStart(call, at);
  const add = (kind: TimelineReading["kind"], method: string, text: string): void =>
    addItem(room, call, { atMs, from: "server", kind, method, text, place });
  // Names that stand here take no memory for each message.
  switch (message.method) {
    case "notifications/progress":
      call.progress += 1;
      // It takes the place of the one before.
      if (call.lastProgress === undefined) grow(room, call, 2 * maxMessage);
      call.lastProgress = progressOf(message);
      add("progress", "notifications/progress", wordsOfProgress(message));
      return;
    case "notifications/message":
      call.logs += 1;
      add("log", "notifications/message", wordsOfLog(message));
      return;
    case "notifications/cancelled":
      add("cancel", "notifications/cancelled", wordsOfCancel(message));
      return;
    default:
      add("notification", textOrPart(message.method ?? "", maxName), "");
  }
}

function progressOf({ params }: RpcMessage): NonNullable<CallReading["lastProgress"]> {
  const { progress, total, message } = params;
  return {
    progress: typeof progress === "number" ? progress : 0,
    ...(typeof total === "number" && { total }),
    ...(typeof message === "string" && { message: firstWords(message, maxMessage) }),
  };
}

/** How an answer has ended. */
export interface Ended {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** False: there is a body that cannot be read. */
  readonly isRead: boolean;
}

/** The answer to an exchange has ended, and with it the calls on it that have no answer. */
export function endCalls(room: Room, entry: Captured, read: McpReading, ended: Ended): void {
  const session = room.sessions.get(read.session);
  if (session === undefined) return;
  const status = entry.response?.status ?? entry.over?.status;
  const isTaken = status !== undefined && status < 300 && entry.over?.error === undefined;
  for (const call of read.calls) {
    const { id } = session;
    if (status === 404 && id !== undefined && call.method !== "initialize") {
      const text = "The server does not know the session: it may have been started anew since";
      addNote(room, call, { code: "unknown_session", text });
    }
    if (call.outcome !== "open" || (session.isAnsweredElsewhere && isTaken)) continue;
    endCall(room, session, call, entry, ended);
  }
  // The calls of such a session are answered on this stream alone.
  if (!session.isAnsweredElsewhere || entry.head.method !== "GET") return;
  for (const call of session.openCalls) endCall(room, session, call, entry, ended);
}

function endCall(
  room: Room,
  session: Session,
  call: CallReading,
  entry: Captured,
  { at, isRead }: Ended,
): void {
  const atMs = sinceStart(call, at);
  const status = entry.response?.status ?? entry.over?.status;
  const error = entry.over?.error;
  const place: MessagePlace = { exchange: entry.id, part: undefined, event: 0, position: 0 };
  const end = (text: string): void => addItem(room, call, { atMs, from: "server", kind: "end", text, place });
  if (error?.code === "cancelled" && session.start.era === "modern") {
    // To close the answer is to cancel the request (MCP 2026-07-28, "Cancellation").
    session.settle(call, "cancelled", atMs);
    const text = "The client has closed the answer, which cancels the call";
    addItem(room, call, { atMs, from: "client", kind: "cancel", text, place });
  } else if (error !== undefined) {
    session.settle(call, "cut", atMs);
    const text = error.code === "cancelled" ? "the client has left" : textOrPart(error.message, maxMessage);
    call.error = { message: text };
    end(text);
  } else if (status !== undefined && status >= 400) {
    session.settle(call, "error", atMs);
    call.error = { message: `HTTP ${status}` };
    end(`HTTP ${status} without an answer of JSON-RPC`);
  } else if (!isRead) {
    session.settle(call, "ok", atMs);
    addNote(room, call, { code: "not_read", text: "The answer could not be read, only its status" });
    end(`HTTP ${status}`);
  } else {
    session.settle(call, "cut", atMs);
    call.error = { message: "no answer" };
    addNote(room, call, { code: "no_answer", text: "The answer ended without a result" });
    end("the answer has ended");
  }
  touchCall(room, call, at);
}
