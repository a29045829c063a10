import type { RequestEvent } from "mcp-tunnel-client";
import type { RawHeaders } from "mcp-tunnel-protocol";
import type { LineMcp } from "./rpc-line.js";

/** `stream`: an event stream. `upgrade`: a connection that left HTTP for something that is no WebSocket. */
export type LineKind = "http" | "stream" | "websocket" | "upgrade";

/** What is told of a request, whether it is over or not. */
export interface Line {
  /** Counts the requests of a run from 1. */
  readonly id: number;
  readonly kind: LineKind;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly method: string;
  /** The target with its query. Values that look like secrets are `[hidden]`. */
  readonly path: string;
  /** Undefined if it is no JSON-RPC, or could not be read. */
  readonly mcp: LineMcp | undefined;
}

/** A stream or a connection that stays open. */
export interface OpenLine extends Line {
  readonly kind: Exclude<LineKind, "http">;
  readonly status: number;
}

/** A request that is over. */
export interface RequestLine extends Line, RequestEvent {
  /** It was told as an {@link OpenLine} before. */
  readonly wasOpen: boolean;
  /** Events of an event stream that was not compressed; comments are none. */
  readonly events: number | undefined;
  /** The fields of the request, as the relay sent them. */
  readonly headers: RawHeaders;
}

export interface LineEvents {
  /** A stream or a connection is open, and a person would want to know before it ends. */
  opened(line: OpenLine): void;
  /** A request is over. Called once for each. */
  over(line: RequestLine): void;
}
