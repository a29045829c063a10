import type { Message, Passed } from "../stdio/journal.js";

/** A request of the client, with what the client has seen of it. */
export interface SeenCall {
  readonly id: string | number;
  readonly method: string;
  readonly params: unknown;
  /** What the answer has in it. */
  readonly result: unknown;
  readonly error: unknown;
  readonly outcome: string;
  readonly progress: number;
  /** Until the answer, in milliseconds. Undefined if there was none. */
  readonly durationMs: number | undefined;
  /** Whether all that came from its start to its end belongs to it: no other request was open. */
  readonly isAlone: boolean;
  /** What happened until its end, in order, as items of a timeline. It is all its own if it was alone. */
  readonly items: readonly { readonly from: string; readonly kind: string }[];
}

/** What a client has seen, request by request. */
export function callsSeen(passed: readonly Passed[]): SeenCall[] {
  const requests = passed.filter(({ from, message }) => from === "client" && isRequest(message));
  return requests.map((request) => seenCall(request, requests, passed));
}

function seenCall(sent: Passed, requests: readonly Passed[], passed: readonly Passed[]): SeenCall {
  const { id, method, params } = sent.message as { id: number; method: string; params?: Params };
  const from = passed.indexOf(sent);
  const until = endOf(sent, passed);
  const answer = passed[until];
  const { result, error } = (answer?.from === "server" ? answer.message : {}) as Answer;
  const token = params?._meta?.progressToken;
  return {
    id,
    method,
    params,
    result,
    error,
    outcome: answer === undefined ? "open" : outcomeOf(answer),
    progress: passed.filter(({ message }) => token !== undefined && progressTokenOf(message) === token)
      .length,
    durationMs: answer?.from === "server" ? answer.atMs - sent.atMs : undefined,
    isAlone:
      requests.every((other) => {
        const otherFrom = passed.indexOf(other);
        return other === sent || otherFrom > until || endOf(other, passed) < from;
      }) && !repeatsRequests(passed, until),
    items: passed
      .slice(from, until + 1)
      .flatMap((one) => kindOf(one, id, token).map((kind) => ({ from: one.from, kind }))),
  };
}

/** Whether the server has made a request twice until then, which one that resumes a stream may do. */
function repeatsRequests(passed: readonly Passed[], until: number): boolean {
  const asked = passed.slice(0, until).filter(({ from, message }) => from === "server" && isRequest(message));
  return new Set(asked.map(({ message }) => message["id"])).size < asked.length;
}

/** Where a request has ended: with its answer, or because the client has cancelled it. */
function endOf({ message: { id } }: Passed, passed: readonly Passed[]): number {
  const end = passed.findIndex(
    ({ from, message }) =>
      (from === "server" && message["method"] === undefined && message["id"] === id) ||
      (from === "client" && (message as Cancel).params?.requestId === id),
  );
  return end === -1 ? Infinity : end;
}

function outcomeOf({ from, message }: Passed): string {
  if (from === "client") return "cancelled";
  if (message["error"] !== undefined) return "error";
  return (message["result"] as { isError?: boolean }).isError === true ? "tool_error" : "ok";
}

/**
 * Answers and progress of earlier requests are none of it. SDK 1.32's client resumes the stream of a POST a
 * second after an answer that is an error, as if none had come. server-everything then sends all events
 * since, those of other streams too. Both do so without a tunnel.
 */
function kindOf({ from, message }: Passed, id: unknown, token: unknown): string[] {
  const { method } = message;
  if (from === "client") {
    if (method === undefined) return ["client_answer"];
    if (method === "notifications/cancelled") return ["cancel"];
    return message["id"] === id ? ["request"] : [];
  }
  if (method === undefined) {
    if (message["id"] !== id) return [];
    return [message["error"] === undefined ? "result" : "error"];
  }
  if (method === "notifications/progress") return progressTokenOf(message) === token ? ["progress"] : [];
  return message["id"] === undefined ? [] : ["server_request"];
}

function progressTokenOf(message: Message): unknown {
  if (message["method"] !== "notifications/progress") return undefined;
  return (message["params"] as Params).progressToken;
}

const isRequest = ({ id, method }: Message): boolean => id !== undefined && method !== undefined;

interface Params {
  readonly progressToken?: unknown;
  readonly _meta?: { readonly progressToken?: unknown };
}
interface Answer {
  readonly result?: unknown;
  readonly error?: unknown;
}
interface Cancel {
  readonly params?: { readonly requestId?: unknown };
}
