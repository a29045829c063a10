import { headerValue } from "mcp-tunnel-protocol";
import type { RawHeaders, RequestHead, ResponseHead } from "mcp-tunnel-protocol";
import type { RefusedEvent, RequestEvent } from "mcp-tunnel-client";
import type { McpReading } from "./reading.js";
import type { SplitEvent } from "./sse/splitter.js";

/**
 * One entry of the ring, as the other rooms read it. Nobody may change its heads.
 */
export interface Captured {
  /** Counts what was captured from 1. */
  readonly id: number;
  /** The name of the tunnel, if the inspector follows several. */
  readonly tunnel?: string | undefined;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** The request as the relay sent it, before a gate. Of a replay: what the service gets. */
  readonly head: RequestHead;
  /** The request as the service got it, if somebody between has changed it. */
  readonly serviceHead: RequestHead | undefined;
  /** The service was given the request. If not, a gate has answered, or the client has refused it. */
  readonly reachedService: boolean;
  /** The exchange of which this is a replay. */
  readonly replayOf: number | undefined;
  readonly requestBody: CapturedBody;
  readonly requestTrailers: RawHeaders;
  readonly requestEndMs: number | undefined;
  readonly interim: readonly { readonly atMs: number; readonly head: ResponseHead }[];
  readonly response: ResponseHead | undefined;
  readonly headMs: number | undefined;
  readonly firstByteMs: number | undefined;
  /** Only counted of event streams and upgraded connections, which have {@link events} or {@link socket}. */
  readonly responseBody: CapturedBody;
  readonly responseTrailers: RawHeaders;
  /** Of an answer that is an event stream without a Content-Encoding. */
  readonly events: CapturedEvents | undefined;
  readonly socket: CapturedSocket | undefined;
  /** The report of the exchange, once it is over. */
  readonly over: RequestEvent | undefined;
  /** Set: this is no exchange, but what the relay has refused. Its head has the method and the path. */
  readonly refusal: RefusedEvent | undefined;
  /** What the room mcp has read of it. It belongs to that room. */
  mcp: McpReading | undefined;
  /** Adds to the bytes that this entry counts in the ring: what is kept because of it elsewhere. */
  grow(bytes: number): void;
  /** Keeps the bodies although the entry may leave the ring. {@link letGo} has to follow. */
  hold(): void;
  letGo(): void;
}

export interface CapturedBody {
  /** Bytes that passed. */
  readonly bytes: number;
  /** The first of them, up to the bound. */
  bufferOf(): Buffer;
  /** Whether {@link bufferOf} has these characters, which are of ASCII. */
  includes(text: string): boolean;
  /** Bytes that {@link bufferOf} has. */
  readonly kept: number;
  /**
   * Not kept at all, because too much came at once. Of event streams and WebSockets: some events or messages
   * are not kept.
   */
  readonly missed: boolean;
}

export interface CapturedEvent extends SplitEvent {
  /** Since the start of the exchange. */
  readonly atMs: number;
}

export interface CapturedEvents {
  /** The newest that fit. */
  readonly kept: readonly CapturedEvent[];
  /** Events and comments that were read and are not kept. */
  readonly dropped: number;
}

export interface CapturedMessage {
  readonly atMs: number;
  readonly from: "visitor" | "service";
  readonly kind: "text" | "binary" | "ping" | "pong" | "close";
  readonly data: Buffer;
  readonly bytes: number;
  readonly isCut: boolean;
}

export interface CapturedSocket {
  readonly kept: readonly CapturedMessage[];
  readonly dropped: number;
  /** Why no further messages can be read. */
  readonly unread: string | undefined;
}

/**
 * Told of what is captured, in order, at once. It must be quick. What is too much for the ring leaves it when
 * all listeners have been told. Of what the relay has refused, it is told `begun` and `gone` alone.
 */
export interface CaptureListener {
  /** A new entry. */
  begun?(entry: Captured): void;
  /** The request is complete. */
  requested?(entry: Captured): void;
  /** The final head is there. */
  answered?(entry: Captured): void;
  /** An event of an event stream. */
  event?(entry: Captured, event: CapturedEvent): void;
  /** A message of a WebSocket. If it was compressed, it may come after `over`. */
  message?(entry: Captured, message: CapturedMessage): void;
  /** The exchange is over. */
  over?(entry: Captured): void;
  /**
   * The entry has left the ring. If it was open, it has nothing but its head after this call. Otherwise it
   * has lost its bodies, unless somebody holds it.
   */
  gone?(entry: Captured): void;
}

/** All that is kept now. */
export interface Ring {
  /** From the oldest to the newest. */
  entries(): Iterable<Captured>;
  find(id: number): Captured | undefined;
  /** Does something during which nothing leaves, as if listeners were told of it. */
  still(work: () => void): void;
  readonly size: number;
  readonly bytes: number;
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** A path or a target of an entry, told apart from the same one of another tunnel. */
export function placeOf({ tunnel }: Captured, path: string): string {
  // No name has a space.
  return tunnel === undefined ? path : `${tunnel} ${path}`;
}

/**
 * The user of the gate. Only a head that the service got tells it: some relays let a visitor write the field
 * himself, and a gate replaces it.
 */
export function userOf({ replayOf, serviceHead, head }: Captured): string | undefined {
  const told = serviceHead ?? (replayOf === undefined ? undefined : head);
  const value = told && headerValue(told.headers, "x-tunnel-user");
  if (value === undefined) return undefined;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
