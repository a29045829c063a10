import { detached, isObject } from "mcp-tunnel-shared";
import { firstTextOf, type RpcMessage } from "../rpc.js";
import { inputRequestsOf } from "./modern.js";

/** How long a text in a timeline is, in characters. */
const maxWords = 200;

/** A text that is kept: the whole of it, or its start. */
export function textOrPart(text: string, maxLength: number): string {
  return text.length <= maxLength ? text : `${detached(text.slice(0, maxLength))}…`;
}

/** What texts take in memory at most, in bytes. */
export function textBytes(...texts: readonly unknown[]): number {
  let length = 0;
  for (const text of texts) if (typeof text === "string") length += text.length;
  return 2 * length;
}

/** A word that is cut off. Of a longer one, enough is left to be known for a secret. */
const cutWord = /\s\S{0,100}…$/;

/**
 * The first words of a text. A word that does not fit is left out: the start of a key does not look like one,
 * and would not be hidden.
 */
export function firstWords(text: string, maxLength = maxWords): string {
  const start = textOrPart(text, maxLength);
  const cut = text.length > maxLength ? start.search(cutWord) : -1;
  return cut === -1 ? start : `${start.slice(0, cut)} …`;
}

/** A result in a few words. */
export function wordsOfResult(message: RpcMessage): string {
  const asked = inputRequestsOf(message);
  if (message.result?.["resultType"] === "input_required")
    return `asks for ${asked.length === 1 ? "an answer" : `${asked.length} answers`} first`;
  return firstWords(firstTextOf(message.result ?? {}) ?? "");
}

/** An error in a few words. */
export function wordsOfError({ error }: RpcMessage): string {
  const message = firstWords(error?.message ?? "");
  return error?.code === undefined ? message : `${error.code} ${message}`.trim();
}

/** A report of progress in a few words. */
export function wordsOfProgress({ params }: RpcMessage): string {
  const { progress, total, message } = params;
  const count = typeof total === "number" ? `${Number(progress)} of ${total}` : String(Number(progress));
  return typeof message === "string" ? `${count}: ${firstWords(message)}` : count;
}

/** A log message in a few words. */
export function wordsOfLog({ params }: RpcMessage): string {
  const { level, data, logger } = params;
  const about = typeof logger === "string" ? ` (${textOrPart(logger, 50)})` : "";
  const said = typeof data === "string" ? data : readable(data);
  return firstWords(`${typeof level === "string" ? textOrPart(level, 20) : "log"}${about}: ${said}`);
}

/** A request of the server in a few words. */
export function wordsOfServerRequest(method: string, params: Readonly<Record<string, unknown>>): string {
  const { message } = params;
  if (typeof message === "string") return firstWords(message);
  const messages: unknown[] = Array.isArray(params["messages"]) ? params["messages"] : [];
  const first = messages[0];
  const content = isObject(first) ? first["content"] : undefined;
  const text = isObject(content) ? content["text"] : undefined;
  return typeof text === "string" ? firstWords(text) : textOrPart(method, maxWords);
}

/** What the client answers to a request of the server, in a few words. */
export function wordsOfAnswer(answer: Readonly<Record<string, unknown>>): string {
  const { action, content, roots } = answer;
  if (typeof action === "string") return textOrPart(action, maxWords);
  if (isObject(content) && typeof content["text"] === "string") return firstWords(content["text"]);
  return Array.isArray(roots) ? `${roots.length} roots` : "";
}

/** Why something was cancelled. */
export function wordsOfCancel({ params }: RpcMessage): string {
  const { reason } = params;
  return typeof reason === "string" ? firstWords(reason) : "";
}

function readable(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    return "";
  }
}
