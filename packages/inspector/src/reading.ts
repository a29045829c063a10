import type { CallNote, CallOutcome, TimelineItem } from "./model.js";
import type { RpcId } from "./rpc.js";

/** What was read of the messages of one exchange. Kept with the exchange, and small. */
export interface McpReading {
  /** The key of the session in which it is shown. */
  session: string | undefined;
  /** The JSON-RPC method of the first message of the visitor. Undefined if he has sent none. */
  readonly method: string | undefined;
  /** What the first message is about: a tool, a prompt or a resource. */
  readonly name: string | undefined;
  /** Messages of the visitor. */
  readonly messages: number;
  /** The requests among them, in order. */
  readonly calls: CallReading[];
  /** Events of the answer of which the room was told, comments included. */
  events: number;
}

/** A request of the visitor. Texts in it are strangers', cut to a length, with their secrets. */
export interface CallReading {
  readonly key: string;
  /** The session changes if a first message turns out to be of a known client. */
  session: string;
  readonly exchange: number;
  /** The place of the request among the messages of its exchange, from 0. */
  readonly position: number;
  readonly method: string;
  readonly name: string | undefined;
  /** Undefined if it stands in a part of the body that was not kept. */
  id: RpcId | undefined;
  readonly progressToken: RpcId | undefined;
  /** It asks for more of a list (MCP, "Pagination"). */
  readonly isLaterPage: boolean;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly requestBytes: number;
  readonly replayOf: number | undefined;
  outcome: CallOutcome;
  /** Until its result, in milliseconds. */
  durationMs: number | undefined;
  error: { readonly code?: number; readonly message: string } | undefined;
  lastProgress: { readonly progress: number; readonly total?: number; readonly message?: string } | undefined;
  progress: number;
  logs: number;
  requests: number;
  /** Of the messages of the server that belong to the call. */
  responseBytes: number;
  readonly notes: CallNote[];
  readonly timeline: TimelineReading[];
  /** Where its result or its error stands. */
  answer: MessagePlace | undefined;
  /** The ids under which the server has asked the client for something during the call. */
  readonly asked: RpcId[];
}

export interface TimelineReading extends Omit<TimelineItem, "exchange" | "message"> {
  readonly place: MessagePlace;
}

/** Where the text of a message stands, as long as it is kept. */
export interface MessagePlace {
  readonly exchange: number;
  /** Undefined: the item is no message. */
  readonly part: "request" | "answer" | "events" | undefined;
  /** Counts the events of the exchange from 0. */
  readonly event: number;
  /** Counts the messages of the body or of the event from 0. */
  readonly position: number;
}
