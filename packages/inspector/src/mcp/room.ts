import type { CallNote } from "../model.js";
import type { Ring } from "../captured.js";
import type { CallReading, TimelineReading } from "../reading.js";
import type { Session } from "./session.js";
import type { Sessions } from "./sessions.js";
import { textBytes } from "./words.js";

/** What the readers of messages work on. */
export interface Room {
  readonly ring: Ring;
  readonly sessions: Sessions;
  /** How much may be read of packed bodies now. */
  readonly unpacked: { take(bytes: number): boolean };
}

/** Items of one timeline. Of more, old reports of progress and logs go, which come in thousands. */
const maxItems = 400;
const maxNotes = 20;
/** About what an item takes in memory without its texts, in bytes. */
const itemBytes = 160;
const noteBytes = 64;

/** Puts an item into the timeline of a call, which counts in the exchange of the call. */
export function addItem(room: Room, call: CallReading, item: TimelineReading): void {
  const { timeline } = call;
  timeline.push(item);
  if (timeline.length > maxItems) {
    const old = timeline.findIndex(({ kind }) => kind === "progress" || kind === "log");
    timeline.splice(Math.max(old, 1), 1);
    return;
  }
  grow(room, call, itemBytes + textBytes(item.text, item.method));
}

export function addNote(room: Room, call: CallReading, note: CallNote): void {
  if (call.notes.length >= maxNotes) return;
  call.notes.push(note);
  grow(room, call, noteBytes + textBytes(note.text));
}

/** The exchange, and with it the call, may leave the ring because of it. */
export function grow({ ring }: Room, { exchange }: CallReading, bytes: number): void {
  ring.find(exchange)?.grow(bytes);
}

/** Milliseconds since the start of a call. */
export function sinceStart(call: CallReading, at: number): number {
  return Math.max(0, at - call.startedAt);
}

/** Says that a session has changed with one of its calls. */
export function touchCall({ sessions }: Room, call: CallReading, at: number): Session | undefined {
  const session = sessions.get(call.session);
  if (session !== undefined) sessions.touch(session, at);
  return session;
}
