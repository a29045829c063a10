import { STATUS_CODES } from "node:http";
import { headerValue, isBodyless, mayBeJsonRpc, type RawHeaders } from "mcp-tunnel-protocol";
import { jsonRpcError, maxJsonRpcBytes } from "./json-rpc.js";
import { html } from "mcp-tunnel-shared/visitor-page";
import type { Operator } from "./operator.js";
import { type Content, pageContent, plainContent, wantsHtml } from "./page.js";
import type { Refusal } from "./refusal.js";
import { StallWatch } from "../stall-watch.js";
import type { Guard, VisitorRequest, VisitorResponse } from "../message.js";

/** Bodies up to this length are read to their end, which spares the connection. */
const smallBodyBytes = 65_536;
/** How long an error waits for the rest of a small JSON-RPC request, whose id it should carry. */
const idTimeoutMs = 1_000;

/** How much of the request's body has been read when the relay answers in the tunnel's place. */
export interface BodyProgress {
  /** True when more of the body is to come. */
  pending: boolean;
  /** The declared length; `undefined` for a chunked body or none. */
  contentLength: number | undefined;
  /** The visitor waits for a 100 before it sends any. */
  awaitsContinue: boolean;
  /** All that was read so far, if it was kept. */
  read: Buffer | undefined;
}

/** What an answer in a tunnel's place needs of the part of the relay that gives it. */
export interface Refuser {
  /** How long the visitor may take nothing of the answer, in milliseconds. */
  readonly writeTimeoutMs: number;
  /** Who runs the relay. */
  readonly operator: Operator;
  /** The answer has been handed over, with this status and so many bytes of body. */
  sent(status: number, bytes: number): void;
  /** Runs the events that come later. */
  guard: Guard;
}

/** A refusal, and its advice on a page. Only the relay's own refusals have advice. */
type Advised = Refusal & { readonly advice?: string };

/**
 * Answers in the tunnel's place, in the form that the visitor understands: a JSON-RPC error object, a page,
 * or the plain text.
 */
export function refuse(
  req: VisitorRequest,
  res: VisitorResponse,
  refusal: Advised,
  requestId: string | undefined,
  body: BodyProgress,
  refuser: Refuser,
): void {
  const answer = (read: Buffer | undefined): void => {
    if (res.destroyed) return;
    const { status, bytes } = send(req, res, refusal, requestId, { ...body, read }, refuser);
    watchTaken(res, refuser);
    refuser.sent(status, bytes);
  };
  const wantsId = body.pending && body.read === undefined && !body.awaitsContinue;
  if (
    wantsId &&
    (body.contentLength ?? 0) <= maxJsonRpcBytes &&
    mayBeJsonRpc(req.method ?? "", req.rawHeaders)
  ) {
    collect(req, (read) => refuser.guard(() => answer(read)));
  } else answer(body.read);
}

/**
 * Cuts the connection of a visitor who does not take an answer of the relay's own, because nothing else
 * limits the time for it. Call this once the answer has been ended.
 */
export function watchTaken(
  res: VisitorResponse,
  { writeTimeoutMs, guard }: Pick<Refuser, "writeTimeoutMs" | "guard">,
): void {
  if (res.backlog === 0 || res.destroyed) return;
  const stall = new StallWatch(
    writeTimeoutMs,
    () => res.takenMark(),
    () => guard(() => res.cut(true)),
  );
  res.watchClose(() => stall.stop());
  stall.waits();
}

function send(
  req: VisitorRequest,
  res: VisitorResponse,
  refusal: Advised,
  requestId: string | undefined,
  body: BodyProgress,
  { operator, guard }: Refuser,
): { status: number; bytes: number } {
  const { status, code, fields = [] } = refusal;
  const content = represent(req, refusal, requestId, body.read, operator);
  const payload = Buffer.from(content.text);
  const pending = body.pending && !req.readableEnded;
  const small = body.contentLength !== undefined && body.contentLength <= smallBodyBytes;
  const headers: RawHeaders = [];
  if (content.type !== undefined) headers.push("Content-Type", content.type);
  // Not in an answer that can have no body (RFC 9110 section 8.6).
  if (!isBodyless("GET", status)) headers.push("Content-Length", String(payload.length));
  if (headerValue(fields, "cache-control") === undefined) headers.push("Cache-Control", "no-store");
  // Shows an operator at a glance whether a 502 is the relay's or the service's.
  headers.push("X-Tunnel-Error", code);
  // HTTP/2 takes some of them only once.
  for (let i = 0; i < content.fields.length; i += 2) {
    const [name, value] = [content.fields[i] as string, content.fields[i + 1] as string];
    if (headerValue(fields, name.toLowerCase()) === undefined) headers.push(name, value);
  }
  if (requestId !== undefined) headers.push("X-Request-Id", requestId);
  headers.push(...fields);
  if (status === 426) headers.push("Connection", "Upgrade, close", "Upgrade", "websocket");
  if (status === 426 || (pending && !small)) res.shouldKeepAlive = false;
  res.writeHead(status, headers);
  if (!pending) res.end(payload);
  else res.endEarly(payload, body.awaitsContinue ? "unsent" : small ? "small" : "large", guard);
  return { status: res.statusCode, bytes: req.method === "HEAD" ? 0 : payload.length };
}

function represent(
  req: VisitorRequest,
  refusal: Advised,
  requestId: string | undefined,
  read: Buffer | undefined,
  operator: Operator,
): Content {
  const { status, code, text } = refusal;
  // A 205 has no body either, but a length of 0 that says so (RFC 9110 section 15.3.6).
  if (text === "" || status === 205 || isBodyless("GET", status)) {
    return { type: undefined, text: "", fields: [] };
  }
  if (mayBeJsonRpc(req.method ?? "", req.rawHeaders)) {
    const error = jsonRpcError(req.rawHeaders, read, code, status, text);
    if (error !== undefined) return { type: "application/json", text: error, fields: [] };
  }
  return wantsHtml(req) ? errorPage(refusal, requestId, req.method, operator) : plainContent(text);
}

function errorPage(
  { status, text, advice, fields = [] }: Advised,
  requestId: string | undefined,
  method: string | undefined,
  operator: Operator,
): Content {
  // Only what may be asked for twice: the link leads to the same address, and sends no body.
  const mayHelp = method === "GET" && headerValue(fields, "retry-after") !== undefined;
  const again = mayHelp ? html`\n<p><a href="">Try again</a></p>` : undefined;
  const paragraph = advice === undefined ? undefined : html`\n<p>${advice}</p>`;
  const page = { title: `${status} ${text}`, body: html`<h1>${text}</h1>${paragraph}${again}` };
  const line = `${status} ${STATUS_CODES[status] ?? ""}`;
  const origin = `${line}, from the tunnel relay and not from the service behind it`;
  return pageContent(page, operator, [origin, ...(requestId === undefined ? [] : [`Request ${requestId}`])]);
}

/** Reads a body that should be small. Gives `undefined` when it is too large or does not end in time. */
function collect(req: VisitorRequest, done: (body: Buffer | undefined) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const finish = (body: Buffer | undefined): void => {
    clearTimeout(timer);
    req.off("data", onData).off("end", onEnd).off("close", onEnd);
    done(body);
  };
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    chunks.push(chunk);
    if (bytes > maxJsonRpcBytes) finish(undefined);
  };
  const onEnd = (): void => finish(req.readableEnded ? Buffer.concat(chunks) : undefined);
  const timer = setTimeout(finish, idTimeoutMs, undefined);
  req.on("data", onData).on("end", onEnd).on("close", onEnd);
}
