import { headerValue, type RawHeaders } from "mcp-tunnel-protocol";
import type { Captured, CapturedBody, CapturedEvent, CapturedMessage } from "../captured.js";
import type { Body, EventDetail, SocketDetail, SocketMessage } from "../model.js";
import type { Hider } from "../secrets/hide.js";
import { defined } from "./context.js";
import { decode } from "../encodings.js";

/** Types whose bytes are no text, whatever they look like. */
const binaryType =
  /^(?:image\/(?!svg)|audio\/|video\/|font\/|application\/(?:pdf|zip|gzip|wasm|x-protobuf|grpc)\b)/i;
const jsonType = /^[^;]*[/+]json\b/i;

/** The body of a request, or of an answer that is neither an event stream nor a WebSocket. */
export function bodyOf(body: CapturedBody, headers: RawHeaders, path: string, hider: Hider): Body {
  const { bytes } = body;
  if (bytes === 0) return { form: "none" };
  if (body.missed) return { form: "unread", why: "it was not kept, because too much came at once", bytes };
  const decoded = decode(body.bufferOf(), headers);
  if ("why" in decoded) return { form: "unread", why: decoded.why, bytes };
  const { data, used: kept, encoding } = decoded;
  const type = headerValue(headers, "content-type") ?? "";
  const given = textOf(data, type);
  if (given === undefined) {
    // Secrets stand in binary bodies too, such as in a form with a file.
    const shown = hider.body(data.toString("latin1"), type, path);
    return { form: "binary", base64: Buffer.from(shown, "latin1").toString("base64"), bytes, kept };
  }
  const text = hider.body(given, type, path);
  return defined<Body & { form: "text" }>({
    form: "text",
    text,
    json: isJson(text, type),
    bytes,
    kept,
    encoding,
  });
}

/** The events of an event stream. */
export function eventsOf({ events, responseBody }: Captured, hider: Hider): Body | undefined {
  if (events === undefined) return undefined;
  const shown = events.kept.map((event) => eventDetail(event, hider));
  return { form: "events", events: shown, dropped: events.dropped, bytes: responseBody.bytes };
}

function eventDetail(event: CapturedEvent, hider: Hider): EventDetail {
  return defined<EventDetail>({
    atMs: event.atMs,
    event: event.event,
    id: event.id,
    data: hider.text(event.data),
    comment: event.isComment || undefined,
    bytes: event.bytes,
    cut: event.isCut || undefined,
  });
}

export function socketOf({ socket }: Captured, hider: Hider): SocketDetail | undefined {
  if (socket === undefined) return undefined;
  const messages = socket.kept.map((message) => messageDetail(message, hider));
  return defined<SocketDetail>({ messages, dropped: socket.dropped, unread: socket.unread });
}

function messageDetail(message: CapturedMessage, hider: Hider): SocketMessage {
  const { kind, data } = message;
  const isBinary = kind === "binary";
  const shown = hider.text(data.toString(isBinary ? "latin1" : "utf8"));
  return defined<SocketMessage>({
    atMs: message.atMs,
    from: message.from,
    kind,
    data: isBinary ? Buffer.from(shown, "latin1").toString("base64") : shown,
    bytes: message.bytes,
    cut: message.isCut || undefined,
  });
}

/**
 * The text of a body, as its type and its bytes say. Undefined: it is none. It may be cut off in a character.
 */
export function textOf(data: Buffer, contentType: string): string | undefined {
  if (binaryType.test(contentType)) return undefined;
  const charset = /;\s*charset="?([\w:.-]+)/i.exec(contentType)?.[1];
  const text = decodeText(data, charset ?? "utf-8");
  return text?.includes("\0") === true ? undefined : text;
}

/** Undefined: these are no characters of that set. A set that nobody knows is taken for UTF-8. */
function decodeText(data: Buffer, charset: string): string | undefined {
  const options = { fatal: true, ignoreBOM: true };
  let decoder: InstanceType<typeof TextDecoder>;
  try {
    decoder = new TextDecoder(charset, options);
  } catch {
    decoder = new TextDecoder("utf-8", options);
  }
  try {
    return decoder.decode(data, { stream: true });
  } catch {
    return undefined;
  }
}

function isJson(text: string, contentType: string): boolean {
  if (jsonType.test(contentType)) return true;
  if (!/^\s{0,16}[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
