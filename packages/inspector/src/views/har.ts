import { STATUS_CODES } from "node:http";
import { headerValue } from "mcp-tunnel-protocol";
import { withoutTrailing } from "mcp-tunnel-shared";
import type { Captured } from "../captured.js";
import type { Body, CallDetail, ExchangeSummary, Field, SocketDetail } from "../model.js";
import { version } from "../version.js";
import { socketOf } from "./bodies.js";
import { defined, type ViewContext } from "./context.js";
import { requestOf, responseOf } from "./detail.js";
import { summaryOf } from "./summary.js";

export interface HarContext extends ViewContext {
  /** The tunnel's. Undefined: by the Host of each request. */
  readonly publicUrl: string | undefined;
}

/**
 * An HTTP Archive 1.2 (http://www.softwareishard.com/blog/har-12-spec/), which the developer tools of
 * browsers can open. The names of members that are no part of it begin with `_`.
 */
export function harOf(entries: readonly Captured[], context: HarContext): object {
  return {
    log: {
      version: "1.2",
      creator: { name: "mcp-tunnel", version },
      comment: "Secrets are left out: [hidden] stands for each of them.",
      pages: [],
      entries: entries.map((entry) => harEntryOf(entry, context)),
    },
  };
}

export function harEntryOf(entry: Captured, context: HarContext): object {
  const summary = summaryOf(entry, context);
  const timings = timingsOf(entry);
  const socket = socketOf(entry, context.hider);
  return defined<object>({
    startedDateTime: new Date(entry.startedAt).toISOString(),
    time: timings.send + timings.wait + timings.receive,
    request: harRequestOf(entry, context, summary.path),
    response: harResponseOf(entry, context, summary),
    cache: {},
    timings,
    comment: commentOf(entry, socket),
    _id: entry.id,
    _tunnel: entry.tunnel,
    _state: summary.state,
    _user: summary.user,
    _replayOf: entry.replayOf,
    _refusal: summary.refusal,
    _mcp: summary.mcp && { ...summary.mcp, calls: callsOf(entry, context) },
    // As Chrome's developer tools have them.
    _resourceType: socket && "websocket",
    _webSocketMessages: socket && chromeMessagesOf(socket, entry.startedAt),
  });
}

/** `path`: with its secrets hidden. */
function harRequestOf(entry: Captured, context: HarContext, path: string): object {
  const { head, requestBody, socket } = entry;
  const { headers, body } = requestOf(entry, context);
  const origin = withoutTrailing(context.publicUrl ?? originOf(entry), "/");
  return defined<object>({
    method: head.method,
    url: origin + (path.startsWith("/") ? path : `/${path}`),
    // What stands in a request does not say it. HTTP/1.1 is what the service gets.
    httpVersion: "HTTP/1.1",
    cookies: headers.filter(isNamed("cookie")).flatMap(([, value]) => value.split(";").map(cookieOf)),
    headers: headers.map(([name, value]) => ({ name, value })),
    queryString: queryOf(path),
    postData: postDataOf(body, headerValue(head.headers, "content-type") ?? ""),
    headersSize: -1,
    bodySize: socket === undefined ? requestBody.bytes : 0,
  });
}

function harResponseOf(
  entry: Captured,
  context: HarContext,
  { status = 0, error, refusal }: ExchangeSummary,
): object {
  const response = responseOf(entry, context);
  const headers = response?.headers ?? [];
  const type = headers.find(isNamed("content-type"))?.[1] ?? "";
  return defined<object>({
    status,
    statusText: STATUS_CODES[status] ?? "",
    httpVersion: "HTTP/1.1",
    cookies: headers.filter(isNamed("set-cookie")).map(([, value]) => cookieOf(value.split(";")[0] ?? "")),
    headers: headers.map(([name, value]) => ({ name, value })),
    content: contentOf(response?.body ?? { form: "none" }, type),
    redirectURL: headers.find(isNamed("location"))?.[1] ?? "",
    headersSize: -1,
    bodySize: response === undefined ? -1 : entry.socket === undefined ? entry.responseBody.bytes : 0,
    // As in Chrome: why the exchange has failed.
    _error: error?.message ?? refusal?.message,
  });
}

function contentOf(body: Body, mimeType: string): object {
  switch (body.form) {
    case "none":
      return { size: 0, mimeType };
    case "unread":
      return { size: body.bytes, mimeType, comment: `The body is left out: ${body.why}.` };
    case "text": {
      const size = body.encoding === undefined ? body.bytes : Buffer.byteLength(body.text);
      return defined<object>({ size, mimeType, text: body.text, comment: cutOf(body) });
    }
    case "binary":
      return defined<object>({
        size: body.bytes,
        mimeType,
        text: body.base64,
        encoding: "base64",
        comment: cutOf(body),
      });
    case "events": {
      const text = body.events.map(eventText).join("");
      const comment = body.dropped === 0 ? undefined : `The first ${body.dropped} events are left out.`;
      return defined<object>({ size: body.bytes, mimeType, text, comment });
    }
  }
}

function postDataOf(body: Body, mimeType: string): object | undefined {
  switch (body.form) {
    case "none":
    case "events":
      return undefined;
    case "unread":
      return { mimeType, text: "", comment: `The body is left out: ${body.why}.` };
    case "text":
      return defined<object>({ mimeType, text: body.text, comment: cutOf(body) });
    case "binary":
      return defined<object>({ mimeType, text: body.base64, _encoding: "base64", comment: cutOf(body) });
  }
}

function cutOf({ kept, bytes }: { kept: number; bytes: number }): string | undefined {
  return kept < bytes ? `These are the first ${kept} of ${bytes} bytes.` : undefined;
}

/** An event as it stood in the stream (HTML Standard, section 9.2.6). */
function eventText({ event, id, data, comment }: (Body & { form: "events" })["events"][number]): string {
  const lines = data.split("\n").map((line) => (comment === true ? `:${line}\n` : `data: ${line}\n`));
  if (event !== "") lines.unshift(`event: ${event}\n`);
  if (id !== undefined) lines.unshift(`id: ${id}\n`);
  return `${lines.join("")}\n`;
}

/** What the archive has not got elsewhere: its messages are in the bodies. */
function callsOf(entry: Captured, { mcp, hider }: HarContext): object[] {
  const calls = mcp.callsOf(entry).map((key) => mcp.call(key, hider));
  return calls.filter((call) => call !== undefined).map(withoutMessages);
}

function withoutMessages(call: CallDetail): object {
  const { request: _request, params: _params, result: _result, tool: _tool, timeline, ...rest } = call;
  return { ...rest, timeline: timeline.map(({ message: _message, ...item }) => item) };
}

/** In milliseconds; -1: not known. The visitor's connection is the relay's matter. */
function timingsOf({ requestEndMs, headMs, over }: Captured) {
  const end = over?.durationMs ?? headMs ?? requestEndMs ?? 0;
  const head = Math.min(headMs ?? end, end);
  const send = Math.min(requestEndMs ?? 0, head);
  return { blocked: -1, dns: -1, connect: -1, ssl: -1, send, wait: head - send, receive: end - head };
}

function chromeMessagesOf({ messages }: SocketDetail, startedAt: number): object[] {
  return messages.map(({ atMs, from, kind, data }) => ({
    type: from === "visitor" ? "send" : "receive",
    // In seconds.
    time: (startedAt + atMs) / 1_000,
    opcode: opcodes[kind],
    data,
  }));
}

/** RFC 6455 section 5.2. */
const opcodes = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

function commentOf({ over, refusal }: Captured, socket: SocketDetail | undefined): string | undefined {
  if (refusal !== undefined) return `The relay has answered so ${refusal.count} times.`;
  const parts: string[] = [];
  if (over === undefined) parts.push("The exchange was still open.");
  if (socket !== undefined && socket.dropped > 0) {
    parts.push(`The first ${socket.dropped} messages are left out.`);
  }
  if (socket?.unread !== undefined) parts.push(`No further messages could be read: ${socket.unread}.`);
  return parts.length === 0 ? undefined : parts.join(" ");
}

function originOf({ head }: Captured): string {
  return `https://${headerValue(head.headers, "host") ?? "host.invalid"}`;
}

function isNamed(name: string): (field: Field) => boolean {
  return ([given]) => given.toLowerCase() === name;
}

function cookieOf(pair: string): { name: string; value: string } {
  const equals = pair.indexOf("=");
  return { name: pair.slice(0, Math.max(equals, 0)).trim(), value: pair.slice(equals + 1).trim() };
}

function queryOf(path: string): { name: string; value: string }[] {
  const start = path.indexOf("?");
  if (start === -1) return [];
  return [...new URLSearchParams(path.slice(start + 1))].map(([name, value]) => ({ name, value }));
}
