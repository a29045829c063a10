import { STATUS_CODES } from "node:http";
import { headerValue, isBodyless, mayBeJsonRpc, type RawHeaders } from "mcp-tunnel-protocol";
import { jsonRpcError, maxJsonRpcBytes } from "./json-rpc.js";
import { type Operator, signature } from "./operator.js";
import { htmlText, page, pagePolicy, wantsHtml } from "./page.js";
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

/** A refusal, and its advice on a page: HTML. Only the relay's own refusals have advice. */
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
  const { type, content } = represent(req, refusal, requestId, body.read, operator);
  const payload = Buffer.from(content);
  const pending = body.pending && !req.readableEnded;
  const small = body.contentLength !== undefined && body.contentLength <= smallBodyBytes;
  const headers: RawHeaders = [];
  if (type !== undefined) headers.push("Content-Type", type);
  // Not in an answer that can have no body (RFC 9110 section 8.6).
  if (!isBodyless("GET", status)) headers.push("Content-Length", String(payload.length));
  if (headerValue(fields, "cache-control") === undefined) headers.push("Cache-Control", "no-store");
  // Shows an operator at a glance whether a 502 is the relay's or the service's.
  headers.push("X-Tunnel-Error", code);
  if (type?.startsWith("text/html") === true) headers.push("Content-Security-Policy", pagePolicy);
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
): { type: string | undefined; content: string } {
  const { status, code, text } = refusal;
  // A 205 has no body either, but a length of 0 that says so (RFC 9110 section 15.3.6).
  if (text === "" || status === 205 || isBodyless("GET", status)) return { type: undefined, content: "" };
  if (mayBeJsonRpc(req.method ?? "", req.rawHeaders)) {
    const content = jsonRpcError(req.rawHeaders, read, code, status, text);
    if (content !== undefined) return { type: "application/json", content };
  }
  if (wantsHtml(req)) {
    return { type: "text/html; charset=utf-8", content: errorPage(refusal, requestId, req.method, operator) };
  }
  return { type: "text/plain; charset=utf-8", content: text };
}

/** The advice is a constant, and the id is checked. Only the text may hold words of a visitor. */
function errorPage(
  refusal: Advised,
  requestId: string | undefined,
  method: string | undefined,
  operator: Operator,
): string {
  const { status, advice, fields = [] } = refusal;
  const text = htmlText(refusal.text);
  // Only what may be asked for twice: the link leads to the same address, and sends no body.
  const mayHelp = method === "GET" && headerValue(fields, "retry-after") !== undefined;
  const again = mayHelp ? ' <a href="">Try again</a>' : "";
  const paragraph = advice === undefined && again === "" ? "" : `<p>${advice ?? ""}${again}</p>\n`;
  const origin = `${status} ${STATUS_CODES[status] ?? ""}, from the tunnel relay and not from the service behind it`;
  const reference = requestId === undefined ? "" : `Request ${requestId}`;
  const lines = [origin, reference, signature(operator)].filter((line) => line !== "");
  return page(
    `${status} ${text}`,
    `<h1>${text}</h1>\n${paragraph}<p><small>${lines.join("<br>")}</small></p>`,
  );
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
