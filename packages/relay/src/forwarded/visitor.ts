import type { FieldSet, RawHeaders } from "mcp-tunnel-protocol";

/** The facts about a visitor, and the fields that tell them to the local service. */
export interface Visitor {
  /** The address from which the request came first, as far as it can be believed. */
  address: string;
  /** The id of the request in the relay's logs and answers, drawn by the relay or by a trusted proxy. */
  requestId: string;
  /** The visitor's own id of the request, which the local service gets instead of {@link requestId}. */
  visitorRequestId: string | undefined;
  /** Fields of the request's head and trailers that do not travel on. */
  drop: FieldSet;
  /** Fields to add. */
  add: RawHeaders;
  /** Whether the request came from a trusted proxy. */
  proxied: boolean;
}
