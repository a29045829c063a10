import type { RawHeaders, ResponseHead } from "mcp-tunnel-protocol";
import type { Captured, CapturedBody } from "../captured.js";
import type { EntryKind, ExchangeSummary, Filters } from "../model.js";
import { decode } from "../encodings.js";

/** A filter that says nothing, or something that nobody can mean. */
export class FilterError extends Error {
  override readonly name = "FilterError";
}

type Matches = (entry: Captured, summary: () => ExchangeSummary) => boolean;

/**
 * What the filters of a query let through. They are given as the parameters of {@link Filters}; an empty one
 * is none. `summaryOf` is asked for what the list shows of an entry, at most once for each.
 *
 * Targets, heads and bodies are searched as they passed, secrets included: whoever searches for a secret
 * knows it.
 * @throws FilterError that names the parameter.
 */
export function readFilters(
  params: URLSearchParams,
  summaryOf: (entry: Captured) => ExchangeSummary,
): (entry: Captured) => boolean {
  const tests: Matches[] = [];
  for (const [name, value] of params) {
    if (!isFilter(name)) {
      throw new FilterError(`there is no filter '${shown(name)}'; there are ${filterNames.join(", ")}`);
    }
    if (params.getAll(name).length > 1) throw new FilterError(`the filter '${name}' is there twice`);
    if (value !== "") tests[costs.indexOf(name)] = readers[name](value);
  }
  // The cheap ones come first, and bodies are searched only for what the others let through.
  const inOrder = tests.filter((test) => test !== undefined);
  return (entry) => {
    let summary: ExchangeSummary | undefined;
    const summaryOnce = (): ExchangeSummary => (summary ??= summaryOf(entry));
    return inOrder.every((test) => test(entry, summaryOnce));
  };
}

const readers: Record<keyof Filters, (value: string) => Matches> = {
  method(value) {
    const methods = words(value).map((word) => word.toUpperCase());
    return ({ head }) => methods.includes(head.method.toUpperCase());
  },
  tunnel: (value) => (entry) => entry.tunnel === value,
  path(value) {
    const part = value.toLowerCase();
    return ({ head }) => head.path.toLowerCase().includes(part);
  },
  kind(value) {
    const kinds = words(value);
    const unknown = kinds.find((kind) => !isKind(kind));
    if (unknown !== undefined) {
      throw new FilterError(`there is no kind '${shown(unknown)}'; there are ${kindNames.join(", ")}`);
    }
    return (_entry, summary) => kinds.includes(summary().kind);
  },
  status(value) {
    const ranges = words(value).map(readStatuses);
    return (_entry, summary) => {
      const { status } = summary();
      return status !== undefined && ranges.some(([from, to]) => from <= status && status <= to);
    };
  },
  mcp: (value) => (_entry, summary) => {
    const method = summary().mcp?.method;
    return method === value || isPartOf(value, method ?? "");
  },
  tool: (value) => (_entry, summary) => summary().mcp?.name === value,
  session: (value) => (_entry, summary) => summary().mcp?.session === value,
  errors(value) {
    if (value !== "1") throw new FilterError("the filter 'errors' is 1, or is left out");
    return (_entry, summary) => hasFailed(summary());
  },
  slower(value) {
    if (!/^[0-9]{1,12}$/.test(value)) {
      throw new FilterError("the filter 'slower' is a number of milliseconds");
    }
    const limitMs = Number(value);
    return (_entry, summary) => {
      const { kind, durationMs, startedAt } = summary();
      return kind !== "refused" && (durationMs ?? Date.now() - startedAt) > limitMs;
    };
  },
  replays(value) {
    if (value !== "0" && value !== "1") {
      throw new FilterError("the filter 'replays' is 1 for replays alone, or 0 for none of them");
    }
    return ({ replayOf }) => (replayOf !== undefined) === (value === "1");
  },
  text(value) {
    const part = value.toLowerCase();
    return (entry) => hasText(entry, part);
  },
};

/** From the cheapest to the dearest. */
const costs: readonly (keyof Filters)[] = [
  ...(["method", "replays", "tunnel", "path", "kind", "status", "errors", "slower"] as const),
  ...(["mcp", "tool", "session", "text"] as const),
];

const filterNames = Object.keys(readers);
const isFilter = (name: string): name is keyof Filters => Object.hasOwn(readers, name);

const kindNames = ["http", "stream", "websocket", "refused"] satisfies EntryKind[];
const isKind = (word: string): boolean => (kindNames as readonly string[]).includes(word);

/** The words between commas. */
const words = (value: string): string[] =>
  value
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");

/** What was given, no longer than an error can show it. */
const shown = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}...` : text);

function readStatuses(word: string): readonly [from: number, to: number] {
  const hundred = /^([1-9])xx$/i.exec(word)?.[1];
  if (hundred !== undefined) return [Number(hundred) * 100, Number(hundred) * 100 + 99];
  const [, from, to = from] = /^([1-9][0-9]{2})(?:-([1-9][0-9]{2}))?$/.exec(word) ?? [];
  if (from === undefined) {
    throw new FilterError(
      "the filter 'status' has statuses such as 404, 4xx or 200-299, with commas between",
    );
  }
  return [Number(from), Number(to)];
}

/** Whether `word` is what stands before or after the slash of a JSON-RPC method. */
function isPartOf(word: string, method: string): boolean {
  return method.startsWith(`${word}/`) || method.endsWith(`/${word}`);
}

function hasFailed({ kind, state, status = 0, mcp }: ExchangeSummary): boolean {
  return kind === "refused" || state === "failed" || status >= 400 || mcp?.error !== undefined;
}

/** Whether a head or a body has `part`, which is in lower case. Texts are made only until one has it. */
function hasText(entry: Captured, part: string): boolean {
  const has = (text: string): boolean => text.toLowerCase().includes(part);
  const hasField = (headers: RawHeaders): boolean => {
    for (let i = 0; i < headers.length; i += 2) if (has(`${headers[i]}: ${headers[i + 1]}`)) return true;
    return false;
  };
  const { head, serviceHead, response, over, refusal, events, socket } = entry;
  return (
    has(`${head.method} ${head.path}`) ||
    hasField(head.headers) ||
    (serviceHead !== undefined && (has(serviceHead.path) || hasField(serviceHead.headers))) ||
    hasField(entry.requestTrailers) ||
    (response !== undefined && (has(String(response.status)) || hasField(response.headers))) ||
    hasField(entry.responseTrailers) ||
    has(over?.error?.message ?? "") ||
    has(refusal?.message ?? "") ||
    isBodyWith(entry.requestBody, head, has) ||
    (response !== undefined && isBodyWith(entry.responseBody, response, has)) ||
    (events?.kept.some(({ event, id = "", data }) => has(data) || has(event) || has(id)) ?? false) ||
    (socket?.kept.some(({ kind, data }) => kind === "text" && has(data.toString())) ?? false)
  );
}

/** What of a body cannot be decoded is not searched. */
function isBodyWith(
  body: CapturedBody,
  { headers }: Pick<ResponseHead, "headers">,
  has: (text: string) => boolean,
): boolean {
  if (body.kept === 0) return false;
  const decoded = decode(body.bufferOf(), headers);
  return "data" in decoded && has(decoded.data.toString());
}
