import type { RawHeaders } from "mcp-tunnel-protocol";

/** A visitor's request, as the gate sees it. */
export interface Visit {
  /** The method of the request. */
  readonly method: string;
  /** The request target, byte for byte and with its query: in origin form, or `*`. */
  readonly target: string;
  /** The fields of the request's head. */
  readonly headers: RawHeaders;
  /** The visitor's address, as far as somebody who is believed has said it. */
  readonly address: string | undefined;
  /**
   * The public origin of the service: scheme, host and port, without a slash. It never comes from the
   * request.
   */
  readonly origin: string;
}

/** Who visits, by the proof that he gave. */
export interface Identity {
  /** The name of the key, the name of the user, or the account of the OAuth grant. */
  readonly user: string;
  /** OAuth only: the id of the client program. */
  readonly client?: string;
  /** OAuth only: what was granted, words with spaces between. */
  readonly scope?: string;
}

/** A complete answer of the gate's own. */
export interface Answer {
  /** The status of the answer. */
  readonly status: number;
  /** The fields of its head. */
  readonly headers: RawHeaders;
  /** Its body, as text. Empty: none. */
  readonly body: string;
}

/** What the gate decides about a visit. */
export type Verdict =
  /** The service gets the request, with these fields in place of the visitor's. */
  | { readonly kind: "pass"; readonly headers: RawHeaders; readonly identity: Identity | undefined }
  | { readonly kind: "answer"; readonly answer: Answer }
  /** The request is for a page or an endpoint of the gate: {@link Gate.pages} answers it. */
  | { readonly kind: "page" };
