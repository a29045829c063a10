import { headerValue } from "mcp-tunnel-protocol";
import { withoutQuery } from "mcp-tunnel-shared";
import { placeOf, userOf, type Captured } from "../captured.js";
import { metaOf, type RpcMessage } from "../rpc.js";
import { clientOf, isModern, protocolVersionKey } from "./modern.js";
import type { Room } from "./room.js";
import { identityOf, namesOf, type Session } from "./session.js";
import { clientGroup, idGroup, modernGroup } from "./sessions.js";
import { textOrPart } from "./words.js";

const maxName = 300;
const maxPath = 500;
/** JSON text of the `params` of an `initialize`, in characters. */
const maxInitialize = 32 * 1_024;

/** The session that a message of the visitor belongs to. */
export function sessionOf(room: Room, entry: Captured, message: RpcMessage): Session {
  const { headers, path } = entry.head;
  const { sessions } = room;
  const answered = sessions.atEndpoint(placeOf(entry, path));
  if (answered !== undefined) return answered;
  if (isModern(headerValue(headers, "mcp-protocol-version"), message))
    return modernSession(room, entry, message);
  const id = headerValue(headers, "mcp-session-id");
  if (id !== undefined && message.method !== "initialize") return sessionWithId(room, entry, id);
  // Whether the server has sessions is told by its answer.
  if (message.method === "initialize") return newSession(room, entry, "legacy");
  const group = looseGroup(entry);
  return sessions.inGroup(group) ?? assigned(room, newSession(room, entry, "legacy"), group);
}

/** What a client of a server without sessions is found by. */
export function looseGroup(entry: Captured): string {
  const { headers, path } = entry.head;
  return clientGroup(placeOf(entry, withoutQuery(path)), userOf(entry), headerValue(headers, "user-agent"));
}

export function sessionWithId(room: Room, entry: Captured, id: string): Session {
  const group = idGroup(placeOf(entry, withoutQuery(entry.head.path)), id);
  const known = room.sessions.inGroup(group);
  if (known !== undefined) return known;
  const session = assigned(room, newSession(room, entry, "legacy"), group);
  session.id = textOrPart(id, maxName);
  return session;
}

function modernSession(room: Room, entry: Captured, message: RpcMessage): Session {
  const { headers, path } = entry.head;
  const { info, capabilities } = clientOf(message);
  const client = identityOf(info);
  const group = modernGroup(
    placeOf(entry, withoutQuery(path)),
    userOf(entry),
    client,
    headerValue(headers, "user-agent"),
  );
  const session = room.sessions.inGroup(group) ?? assigned(room, newSession(room, entry, "modern"), group);
  session.client = client ?? session.client;
  session.clientCapabilities = namesOf(capabilities) ?? session.clientCapabilities;
  const version = metaOf(message.params)[protocolVersionKey] ?? headerValue(headers, "mcp-protocol-version");
  if (typeof version === "string") session.protocolVersion = textOrPart(version, maxName);
  return session;
}

function newSession(
  room: Room,
  entry: Captured,
  era: "legacy" | "modern",
  isAnsweredElsewhere = false,
): Session {
  const path = textOrPart(withoutQuery(entry.head.path), maxPath);
  const isReplay = entry.replayOf !== undefined;
  const user = userOf(entry);
  const named = user && textOrPart(user, maxName);
  const repeats = repeatedSession(room, entry);
  const { tunnel } = entry;
  const start = { era, tunnel, path, user: named, at: entry.startedAt, isReplay, repeats };
  return room.sessions.open({ ...start, isAnsweredElsewhere });
}

/** The visitor's session of which a replay repeats something. */
function repeatedSession({ ring, sessions }: Room, { replayOf }: Captured): string | undefined {
  const repeated = replayOf === undefined ? undefined : sessions.get(ring.find(replayOf)?.mcp?.session);
  return repeated?.start.repeats ?? repeated?.key;
}

/** The session of a stream that carries all answers (the transport HTTP with SSE of MCP 2024-11-05). */
export function openStreamSession(room: Room, entry: Captured): Session {
  return newSession(room, entry, "legacy", true);
}

/** Whether two sessions are of the same program, as far as it says. */
export function isSameClient({ client: one }: Session, { client: other }: Session): boolean {
  return one?.name === other?.name && one?.version === other?.version;
}

function assigned(room: Room, session: Session, group: string): Session {
  room.sessions.assign(session, group);
  return session;
}

/** Keeps who has opened a session, and how. */
export function takeInitialize(room: Room, session: Session, message: RpcMessage): void {
  const { info, capabilities } = clientOf(message);
  session.client = identityOf(info);
  session.clientCapabilities = namesOf(capabilities);
  const params = jsonText(message.params);
  if (params === undefined || params.length > maxInitialize) return;
  session.initializeParams = params;
  room.sessions.keep();
}

function jsonText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    // Nested deeper than the stack.
    return undefined;
  }
}
