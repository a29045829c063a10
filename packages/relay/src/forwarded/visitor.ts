import type { FieldSet, RawHeaders } from "mcp-tunnel-protocol";

/** What is known about the visitor, and the fields that tell the local service. */
export interface Visitor {
  /** The address from which the request came first, as far as it can be believed. */
  address: string;
  /** Names the request in the relay's logs and answers: drawn here, or by a trusted proxy. */
  requestId: string;
  /** The visitor's own name for it, which the local service gets in the place of {@link requestId}. */
  visitorRequestId: string | undefined;
  /** Fields of the request, of its head as of its trailers, that do not travel on. */
  drop: FieldSet;
  /** Fields to add. */
  add: RawHeaders;
  /** A trusted proxy said so. */
  proxied: boolean;
}
