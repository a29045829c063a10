import type { RawHeaders } from "mcp-tunnel-protocol";
import type {
  Captured,
  CapturedBody,
  CapturedEvent,
  CapturedEvents,
  CapturedMessage,
  CapturedSocket,
  Ring,
} from "../../src/captured.js";

/** What a test says of an entry. Everything else is that of a GET that was answered with 200 and no body. */
export interface CapturedGiven {
  method?: string;
  path?: string;
  headers?: RawHeaders;
  body?: string | Buffer;
  /** Bytes of the request's body that passed, if they are more than those that are kept. */
  bodyBytes?: number;
  /** `null`: there is no answer yet. */
  status?: number | null;
  answerHeaders?: RawHeaders;
  answer?: string | Buffer;
  answerBytes?: number;
  /** Nothing is kept of the answer's body. */
  answerMissed?: boolean;
  events?: readonly (Partial<CapturedEvent> & { data: string })[];
  dropped?: number;
  messages?: readonly (Partial<Omit<CapturedMessage, "data">> & { data: string | Buffer })[];
  unread?: string;
  /** Anything else of the entry. */
  entry?: Partial<Captured>;
}

let lastId = 0;

/** An entry as the ring keeps it. */
export function captured(given: CapturedGiven = {}): Captured {
  const { method = "GET", path = "/", headers = [], body = "", status = 200, answerHeaders = [] } = given;
  const { answer = "", answerMissed = false, dropped = 0, unread, bodyBytes, answerBytes } = given;
  const events = given.events && eventsOf(given.events, dropped);
  const socket = given.messages && socketOf(given.messages, dropped, unread);
  const requestBody = bodyOf(body, bodyBytes);
  const responseBody = bodyOf(answer, answerBytes, answerMissed);
  return {
    id: (lastId += 1),
    startedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
    serviceHead: undefined,
    reachedService: true,
    replayOf: undefined,
    requestTrailers: [],
    requestEndMs: 1,
    interim: [],
    headMs: status === null ? undefined : 10,
    firstByteMs: responseBody.bytes > 0 ? 11 : undefined,
    responseTrailers: [],
    over:
      status === null
        ? undefined
        : {
            method,
            path,
            status: status ?? undefined,
            durationMs: 12,
            requestBytes: requestBody.bytes,
            responseBytes: responseBody.bytes,
            error: undefined,
          },
    refusal: undefined,
    mcp: undefined,
    grow() {},
    hold() {},
    letGo() {},
    head: { method, path, headers, ...(socket === undefined ? {} : { upgrade: true }) },
    response: status === null ? undefined : { status, headers: answerHeaders },
    requestBody,
    responseBody,
    events,
    socket,
    ...given.entry,
  };
}

/** A body of which only the first bytes may be kept. */
export function bodyOf(data: string | Buffer, bytes?: number, missed = false): CapturedBody {
  const buffer = Buffer.from(data);
  return {
    bytes: bytes ?? buffer.length,
    kept: missed ? 0 : buffer.length,
    missed,
    bufferOf: () => (missed ? Buffer.alloc(0) : buffer),
    includes: (text) => !missed && buffer.includes(text),
  };
}

function eventsOf(given: NonNullable<CapturedGiven["events"]>, dropped: number): CapturedEvents {
  const kept = given.map((event) => ({
    atMs: 20,
    event: "",
    id: undefined,
    isComment: false,
    bytes: Buffer.byteLength(event.data) + 8,
    isCut: false,
    ...event,
  }));
  return { kept, dropped };
}

function socketOf(
  given: NonNullable<CapturedGiven["messages"]>,
  dropped: number,
  unread: string | undefined,
): CapturedSocket {
  const kept = given.map((message) => {
    const data = Buffer.from(message.data);
    return {
      atMs: 20,
      from: "visitor" as const,
      kind: "text" as const,
      bytes: data.length,
      isCut: false,
      ...message,
      data,
    };
  });
  return { kept, dropped, unread };
}

/** A ring of entries by their ids, which never lets one go. */
export function ringOf(entries: ReadonlyMap<number, Captured>): Ring {
  return {
    entries: () => entries.values(),
    find: (id) => entries.get(id),
    still: (work) => work(),
    get size() {
      return entries.size;
    },
    bytes: 0,
    maxEntries: 2_000,
    maxBytes: 1_000,
  };
}
