import { headerValue } from "mcp-tunnel-protocol";
import type { Captured } from "../captured.js";
import type { ExchangeDetail, MessageDetail, Timing } from "../model.js";
import { bodyOf, eventsOf, socketOf } from "./bodies.js";
import { defined, type ViewContext } from "./context.js";
import { summaryOf } from "./summary.js";

export interface DetailContext extends ViewContext {
  /** Why the exchange cannot be sent again. */
  readonly noReplay?: string | undefined;
  /** What the user may lose by sending it again. */
  readonly replayWarning?: string | undefined;
}

/** All that is kept of an entry. The hider should be a new one: the number of its secrets is told. */
export function detailOf(entry: Captured, context: DetailContext): ExchangeDetail {
  const { hider, mcp, noReplay, replayWarning } = context;
  const detail = {
    ...summaryOf(entry, context),
    visitor: headerValue(entry.head.headers, "x-tunnel-visitor"),
    request: requestOf(entry, context),
    forService: entry.serviceHead && {
      path: hider.target(entry.serviceHead.path),
      headers: hider.fields(entry.serviceHead.headers),
    },
    interim: entry.interim.map(({ atMs, head }) => {
      return { atMs, status: head.status, headers: hider.fields(head.headers) };
    }),
    response: responseOf(entry, context),
    socket: socketOf(entry, hider),
    timing: timingOf(entry),
    calls: mcp.callsOf(entry),
    noReplay,
    replayWarning,
  };
  // The count comes last: by then, everything is hidden.
  return defined<ExchangeDetail>({ ...detail, hidden: hider.count });
}

/** The request as the visitor sent it. What follows an upgrade is no body. */
export function requestOf(entry: Captured, { hider }: ViewContext): MessageDetail {
  const { head, requestBody, socket } = entry;
  return {
    headers: hider.fields(head.headers),
    trailers: hider.fields(entry.requestTrailers),
    body: socket === undefined ? bodyOf(requestBody, head.headers, head.path, hider) : { form: "none" },
  };
}

export function responseOf(
  entry: Captured,
  { hider }: ViewContext,
): (MessageDetail & { readonly status: number }) | undefined {
  const { head, response, responseBody, socket } = entry;
  if (response === undefined) return undefined;
  const body = eventsOf(entry, hider) ?? bodyOf(responseBody, response.headers, head.path, hider);
  return {
    status: response.status,
    headers: hider.fields(response.headers),
    trailers: hider.fields(entry.responseTrailers),
    body: socket === undefined ? body : { form: "none" },
  };
}

function timingOf({ requestEndMs, headMs, firstByteMs, over }: Captured): Timing {
  return defined<Timing>({ requestEndMs, headMs, firstByteMs, endMs: over?.durationMs });
}
