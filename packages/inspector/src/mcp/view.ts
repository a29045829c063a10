import { headerValue } from "mcp-tunnel-protocol";
import { isObject, withoutQuery } from "mcp-tunnel-shared";
import { Allowance } from "../capture/load.js";
import { placeOf } from "../captured.js";
import type { CaptureListener, Captured, CapturedEvent, Ring } from "../captured.js";
import { unpackedPerSecond } from "../limits.js";
import type { CallDetail, Era, McpSession, SessionDetail, SummaryMcp, ToolInfo } from "../model.js";
import type { CallReading, McpReading, MessagePlace } from "../reading.js";
import { readPlaces, type RpcMessage } from "../rpc.js";
import type { Hider } from "../secrets/hide.js";
import { answerTexts } from "./answer-texts.js";
import { isSameClient, looseGroup, openStreamSession } from "./grouping.js";
import { canWait } from "./lasting.js";
import { peekPlaces } from "./peek.js";
import type { Room } from "./room.js";
import { endCalls, takeFromServer } from "./server-messages.js";
import type { Session } from "./session.js";
import { endpointGroup, idGroup, Sessions } from "./sessions.js";
import { shownCall, shownDetail, summaryOfReading } from "./show.js";
import { nothing, readVisitor } from "./visitor.js";
import type { ToolList } from "./tool-list.js";
import { textOrPart } from "./words.js";

const maxId = 300;

/** What replaces secrets in the texts of one answer. */
type TextHider = Pick<Hider, "text" | "count">;

/** What has opened a session of the revisions up to 2025-11-25. */
export interface Initialize {
  readonly params: Readonly<Record<string, unknown>>;
  /** The revision that the server has chosen. Undefined if it has not answered. */
  readonly protocolVersion: string | undefined;
}

/**
 * Reads the messages of MCP in what is captured: sessions, their calls, and what belongs to each call. What
 * it keeps of an exchange counts in the ring and goes with the exchange. It never parses more than is kept
 * of a body.
 */
export class McpView implements CaptureListener {
  readonly #ring: Ring;
  readonly #sessions: Sessions;
  readonly #room: Room;
  readonly #createHider: () => TextHider;

  /**
   * @param onChanged Told the keys of sessions that have changed or are gone, at once. It is told of a
   *   session again once somebody has looked at it by {@link sessions} or {@link session}.
   * @param createHider Makes what hides secrets where a caller gives none.
   */
  constructor(
    ring: Ring,
    onChanged: (keys: readonly string[], gone: readonly string[]) => void,
    createHider: () => TextHider,
  ) {
    this.#ring = ring;
    this.#sessions = new Sessions(onChanged);
    this.#room = { ring, sessions: this.#sessions, unpacked: new Allowance(unpackedPerSecond) };
    this.#createHider = createHider;
  }

  // ---- what is captured

  requested(entry: Captured): void {
    this.#read(entry, true);
    this.#sessions.tell();
  }

  answered(entry: Captured): void {
    // A server may answer before it has the whole request.
    const read = this.#read(entry, false);
    const session = this.#sessions.get(read?.session);
    if (read !== undefined && session !== undefined) this.#takeHead(entry, read, session);
    this.#sessions.tell();
  }

  event(entry: Captured, event: CapturedEvent): void {
    if (entry.mcp === nothing && event.event === "endpoint") this.#openStream(entry, event);
    const read = entry.mcp;
    if (read === undefined || read === nothing) return;
    const place = { exchange: entry.id, part: "events", event: read.events } as const;
    read.events += 1;
    if (event.isComment || event.data === "") return;
    const at = entry.startedAt + event.atMs;
    this.#takeAll(read, placesIn(event.data, event.isCut), place, { at, bytes: event.bytes });
    this.#sessions.tell();
  }

  over(entry: Captured): void {
    const read = this.#read(entry, true);
    if (read !== undefined && read !== nothing) {
      const at = entry.startedAt + (entry.over?.durationMs ?? 0);
      endCalls(this.#room, entry, read, { at, isRead: this.#readAnswer(entry, read, at) });
    }
    this.#sessions.tell();
  }

  gone(entry: Captured): void {
    const read = entry.mcp;
    // What still comes of it is not read any more. A recording may have yet to tell what was read.
    if (entry.over === undefined) entry.mcp = nothing;
    // Most exchanges were never read.
    if (read === undefined) return;
    for (const call of read.calls) {
      const session = this.#sessions.get(call.session);
      if (session === undefined) continue;
      session.remove(call);
      this.#sessions.changed(session);
    }
    this.#sessions.tell();
  }

  #read(entry: Captured, isComplete: boolean): McpReading | undefined {
    entry.mcp ??= readVisitor(this.#room, entry, isComplete);
    return entry.mcp;
  }

  /** Sessions of the earlier revisions are named and ended in the heads of answers. */
  #takeHead(entry: Captured, read: McpReading, session: Session): void {
    const { response, head } = entry;
    if (response === undefined || session.start.era === "modern" || session.isAnsweredElsewhere) return;
    if (head.method === "DELETE" && response.status < 300) {
      session.endedAt = entry.startedAt + (entry.headMs ?? 0);
      this.#sessions.changed(session);
    }
    if (!read.calls.some(({ method }) => method === "initialize")) return;
    const id = headerValue(response.headers, "mcp-session-id");
    if (id === undefined) this.#joinClient(entry, read, session);
    else this.#name(session, entry, id);
  }

  #name(session: Session, entry: Captured, id: string): void {
    session.id = textOrPart(id, maxId);
    this.#sessions.assign(session, idGroup(placeOf(entry, withoutQuery(entry.head.path)), id));
    this.#sessions.changed(session);
  }

  /** A server without sessions: a client that is known goes on where it was. */
  #joinClient(entry: Captured, read: McpReading, session: Session): void {
    const group = looseGroup(entry);
    const known = this.#sessions.inGroup(group);
    if (known === session) return;
    if (known === undefined || !isSameClient(known, session)) {
      this.#sessions.assign(session, group);
      return;
    }
    for (const call of read.calls) {
      session.remove(call);
      call.session = known.key;
      known.add(call);
    }
    read.session = known.key;
    this.#sessions.drop(session);
    this.#sessions.touch(known, entry.startedAt);
  }

  /** The transport HTTP with SSE (MCP 2024-11-05): the first event of a stream names where messages go. */
  #openStream(entry: Captured, { data }: CapturedEvent): void {
    const { method, path } = entry.head;
    if (method !== "GET" || !URL.canParse(data, `http://localhost${path}`)) return;
    const { pathname, search } = new URL(data, `http://localhost${path}`);
    const session = openStreamSession(this.#room, entry);
    this.#sessions.assign(session, endpointGroup(placeOf(entry, pathname + search)));
    this.#sessions.changed(session);
    entry.mcp = { ...nothing, session: session.key, calls: [] };
  }

  /** Reads an answer that was not read event by event. False: something of it cannot be read. */
  #readAnswer(entry: Captured, read: McpReading, at: number): boolean {
    const { events, responseBody, over } = entry;
    if (events !== undefined) return !responseBody.missed;
    // An answer that was broken off is only a part.
    if (read.calls.length === 0 || responseBody.bytes === 0 || over?.error !== undefined) return true;
    const answer = answerTexts(entry, this.#room.unpacked);
    if (answer === undefined) return false;
    const { texts, isCut } = answer;
    for (const [event, text] of texts.entries()) {
      const place = { exchange: entry.id, part: "answer", event } as const;
      const bytes = texts.length === 1 ? responseBody.bytes : Buffer.byteLength(text);
      this.#takeAll(read, placesIn(text, isCut && texts.length === 1), place, { at, bytes });
    }
    return !isCut;
  }

  /** Takes the messages of one text. */
  #takeAll(
    read: McpReading,
    messages: readonly (RpcMessage | undefined)[],
    { exchange, part, event }: Omit<MessagePlace, "position">,
    { at, bytes }: { readonly at: number; readonly bytes: number },
  ): void {
    const each = Math.round(bytes / messages.length);
    for (const [position, message] of messages.entries()) {
      if (message === undefined) continue;
      const place = { exchange, part, event, position };
      takeFromServer(this.#room, read, { message, place, at, bytes: each });
    }
  }

  /**
   * Whether the reading of an exchange can wait, and be left out if the exchange has left the ring by then.
   */
  canWait(entry: Captured): boolean {
    return canWait(this.#sessions, entry);
  }

  // ---- what is told

  /** Undefined if the exchange is none of MCP, or was not read yet. `hider`: that of an export, say. */
  summary({ mcp: read }: Captured, hider?: TextHider): SummaryMcp | undefined {
    if (read === undefined || read === nothing) return undefined;
    const isKnown = this.#sessions.get(read.session) !== undefined;
    const known = isKnown ? read : { ...read, session: undefined };
    return summaryOfReading(known, this.#hide(hider));
  }

  /** The one that was quiet longest is the first. */
  sessions(hider?: TextHider): McpSession[] {
    return Array.from(this.#sessions.all(), (session) => this.#info(session, hider));
  }

  session(key: string, hider?: TextHider): SessionDetail | undefined {
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    const hide = this.#hide(hider);
    return {
      session: this.#info(session, hider),
      calls: [...session.calls].toReversed().map((call) => shownCall(call, hide)),
      tools: session.tools?.all(hide) ?? [],
    };
  }

  call(key: string, hider: TextHider): CallDetail | undefined {
    const found = this.#find(key);
    if (found === undefined) return undefined;
    const { call, session } = found;
    const hide = this.#hide(hider);
    return shownDetail(call, {
      ring: this.#ring,
      session: session.info(hide),
      tool:
        call.method === "tools/call" && call.name !== undefined
          ? this.#toolsOf(session)?.find(call.name, hide)
          : undefined,
      hide,
      hidden: () => hider.count,
    });
  }

  /** The keys of the calls that an exchange carries. */
  callsOf({ mcp: read }: Captured): string[] {
    if (this.#sessions.get(read?.session) === undefined) return [];
    return read?.calls.map(({ key }) => key) ?? [];
  }

  /** The era of the visitor's messages in an exchange. Undefined if it has none. */
  era({ mcp: read }: Captured): Era | undefined {
    return read?.method === undefined ? undefined : this.#sessions.get(read.session)?.start.era;
  }

  /** A tool of the session of an exchange, with its secrets. */
  tool({ mcp: read }: Captured, name: string): ToolInfo | undefined {
    const session = this.#sessions.get(read?.session);
    return session && this.#toolsOf(session)?.find(name, (text) => text);
  }

  /** What has opened the session of an exchange. Undefined if it is not known, or of revision 2026-07-28. */
  initializeOf({ mcp: read }: Captured): Initialize | undefined {
    const session = this.#sessions.get(read?.session);
    if (session?.initializeParams === undefined) return undefined;
    const params: unknown = JSON.parse(session.initializeParams);
    return isObject(params) ? { params, protocolVersion: session.protocolVersion } : undefined;
  }

  clear(): void {
    this.#sessions.clear();
  }

  #find(key: string): { readonly call: CallReading; readonly session: Session } | undefined {
    const call = this.#ring.find(Number.parseInt(key, 10))?.mcp?.calls.find((one) => one.key === key);
    const session = this.#sessions.get(call?.session);
    return call !== undefined && session !== undefined ? { call, session } : undefined;
  }

  /** A session of the inspector's own asks for no tools. It has those of the one that it repeats. */
  #toolsOf({ tools, start }: Session): ToolList | undefined {
    return tools ?? this.#sessions.get(start.repeats)?.tools;
  }

  #info(session: Session, hider: TextHider | undefined): McpSession {
    session.isToldOf = false;
    if (hider !== undefined) return session.info(this.#hide(hider));
    session.shown ??= session.info(this.#hide(undefined));
    return session.shown;
  }

  /** A hider is made when there is a text to look at. */
  #hide(given: TextHider | undefined): (text: string) => string {
    let hider = given;
    return (text) => {
      hider ??= this.#createHider();
      return hider.text(text);
    };
  }
}

function placesIn(text: string, isCut: boolean): (RpcMessage | undefined)[] {
  return isCut ? peekPlaces(text) : readPlaces(text);
}
