import type { Captured, Ring } from "../captured.js";
import type { CallDetail, McpCall, McpSession, SummaryMcp, TimelineItem, ToolInfo } from "../model.js";
import type { CallReading, McpReading, MessagePlace } from "../reading.js";
import { answerTexts } from "./answer-texts.js";
import { bodyText } from "./body-text.js";
import { limitsBeside } from "./host-limits.js";
import { messageSpans } from "./json-spans.js";
import { memberText } from "./peek.js";

export type Hide = (text: string) => string;

/** What the list tells of an exchange. */
export function summaryOfReading(read: McpReading, hide: Hide): SummaryMcp | undefined {
  const { method, name, messages, session, calls } = read;
  if (method === undefined) return undefined;
  const error = calls.find((call) => call.error !== undefined)?.error;
  return {
    method,
    ...(name !== undefined && { name: hide(name) }),
    ...(messages > 1 && { batch: messages }),
    ...(session !== undefined && { session }),
    ...(error !== undefined && { error: { ...error, message: hide(error.message) } }),
  };
}

export function shownCall(call: CallReading, hide: Hide): McpCall {
  const { name, durationMs, error, lastProgress, replayOf } = call;
  return {
    key: call.key,
    exchange: call.exchange,
    session: call.session,
    method: hide(call.method),
    ...(name !== undefined && { name: hide(name) }),
    id: typeof call.id === "string" ? hide(call.id) : (call.id ?? ""),
    startedAt: call.startedAt,
    ...(durationMs !== undefined && { durationMs }),
    outcome: call.outcome,
    ...(error !== undefined && { error: { ...error, message: hide(error.message) } }),
    ...(lastProgress !== undefined && { lastProgress: shownProgress(lastProgress, hide) }),
    counts: { progress: call.progress, logs: call.logs, requests: call.requests },
    notes: call.notes.map(({ code, text }) => ({ code, text: hide(text) })),
    requestBytes: call.requestBytes,
    responseBytes: call.responseBytes,
    ...(replayOf !== undefined && { replayOf }),
  };
}

function shownProgress(
  progress: NonNullable<CallReading["lastProgress"]>,
  hide: Hide,
): NonNullable<CallReading["lastProgress"]> {
  return progress.message === undefined ? progress : { ...progress, message: hide(progress.message) };
}

interface Around {
  readonly ring: Ring;
  readonly session: McpSession;
  readonly tool: ToolInfo | undefined;
  readonly hide: Hide;
  /** How many secrets `hide` has replaced. */
  readonly hidden: () => number;
}

export function shownDetail(call: CallReading, { ring, session, tool, hide, hidden }: Around): CallDetail {
  const texts = new MessageTexts(ring);
  const asked = call.timeline[0] && texts.find(call.timeline[0].place);
  const answered = call.answer && texts.find(call.answer);
  const params = asked === undefined ? undefined : memberText(asked, "params");
  const result =
    answered === undefined ? undefined : (memberText(answered, "result") ?? memberText(answered, "error"));
  const { durationMs = Date.now() - call.startedAt } = call;
  const told = new Set<MessagePlace>();
  const detail = {
    ...shownCall(call, hide),
    sessionInfo: session,
    request: hide(asked ?? ""),
    ...(params !== undefined && { params: hide(params) }),
    ...(result !== undefined && { result: hide(result) }),
    timeline: call.timeline.map((item): TimelineItem => {
      const { place, text, method, ...rest } = item;
      // Several items may tell of one message, which may be long. It stands with the first of them.
      const message = told.has(place) ? undefined : texts.find(place);
      told.add(place);
      return {
        ...rest,
        ...(method !== undefined && { method: hide(method) }),
        text: hide(text),
        ...(message !== undefined && { message: hide(message) }),
        exchange: place.exchange,
      };
    }),
    limits: limitsBeside(durationMs),
    ...(tool !== undefined && { tool }),
  };
  return { ...detail, hidden: hidden() };
}

/** Finds the texts of messages in what is kept. A body is taken apart once, however many are asked for. */
class MessageTexts {
  readonly #ring: Ring;
  readonly #texts = new Map<string, readonly string[]>();
  readonly #messages = new Map<string, readonly string[]>();

  constructor(ring: Ring) {
    this.#ring = ring;
  }

  find({ exchange, part, event, position }: MessagePlace): string | undefined {
    const entry = part && this.#ring.find(exchange);
    if (entry === undefined || part === undefined) return undefined;
    if (part === "events") return messagesIn(eventText(entry, event))[position];
    const messages = found(this.#messages, `${exchange} ${part} ${event}`, () => {
      const texts = found(this.#texts, `${exchange} ${part}`, () => textsOf(entry, part));
      return messagesIn(texts[event]);
    });
    return messages[position];
  }
}

function found<T>(cache: Map<string, T>, key: string, make: () => T): T {
  let value = cache.get(key);
  if (value === undefined) {
    value = make();
    cache.set(key, value);
  }
  return value;
}

function textsOf(entry: Captured, part: "request" | "answer"): readonly string[] {
  if (part === "answer") return answerTexts(entry)?.texts ?? [];
  const body = bodyText(entry.requestBody, entry.head.headers);
  return body === undefined ? [] : [body.text];
}

function messagesIn(text: string | undefined): string[] {
  if (text === undefined) return [];
  return messageSpans(text).map(({ from, to }) => text.slice(from, to));
}

/** The data of the event with this number, counted from the first. The newest of them are kept. */
function eventText({ events, mcp }: Captured, event: number): string | undefined {
  if (events === undefined || mcp === undefined) return undefined;
  return events.kept[event - (mcp.events - events.kept.length)]?.data;
}
