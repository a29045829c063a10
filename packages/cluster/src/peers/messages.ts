import { flag, objectOf, oneOf, type Shape, text, wholeNumber } from "mcp-tunnel-protocol";
import type { Verdict } from "../directory.js";
import { verdictShape } from "../verdict.js";
import type { SpliceHello } from "./peers.js";

/** What a relay asks for with a link, and what it is answered (PEERS.md, sections 3 and 4). */

const offset = wholeNumber(0);
const windowSize = wholeNumber(16_384, 0x7fffffff);
const shortText = text().refine(({ length }) => length <= 1_024, "of up to 1,024 characters");

/** For a session: a new one, or one that goes on. */
export interface SessionRequest {
  /** Bytes of one stream that the dialer takes before it returns credit. */
  readonly window: number;
  readonly resume?: { readonly session: string; readonly received: number } | undefined;
}

export interface SessionAnswer {
  readonly session: string;
  readonly window: number;
  /** The session goes on. Without this field it is a new one. */
  readonly resumed?: { readonly received: number } | undefined;
}

export const sessionRequest = objectOf<SessionRequest>({
  window: windowSize,
  resume: objectOf({ session: shortText, received: offset }).optional(),
});

export const sessionAnswer = objectOf<SessionAnswer>({
  session: shortText,
  window: windowSize,
  resumed: objectOf({ received: offset }).optional(),
});

export const spliceRequest = objectOf<SpliceHello>({
  session: shortText,
  secret: shortText,
  address: shortText,
  isAtDomain: flag,
});

/** The answer to a splice: {@link SpliceAnswer} as an object, which later versions may add to. */
export interface SpliceReply {
  readonly splice: "known" | "unknown" | "refused";
  /** With `refused`. */
  readonly verdict?: Verdict | undefined;
}

export const spliceReply: Shape<SpliceReply> = objectOf<SpliceReply>({
  splice: oneOf(["known", "unknown", "refused"]),
  verdict: verdictShape.optional(),
}).refine(({ splice, verdict }) => splice !== "refused" || verdict !== undefined, "with a verdict");
