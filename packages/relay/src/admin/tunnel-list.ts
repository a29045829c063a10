import type { SortKey } from "mcp-tunnel-dashboard/model";
import { ApiProblem } from "mcp-tunnel-shared/page";
import type { FoundTunnels } from "./source.js";

type Row = FoundTunnels["tunnels"][number];

/** Tunnels of one page of a list. */
const standardLimit = 200;
const maxLimit = 1_000;

/** What a list is sorted by. A tunnel that has no such value comes last, whatever the order. */
const sortKeys: Readonly<Record<SortKey, (row: Row) => string | number | undefined>> = {
  name: (row) => row.name,
  since: (row) => row.since,
  requests: (row) => row.requests,
  bytes: (row) => row.requestBytes + row.responseBytes,
  rtt: (row) => row.rttMs,
  streams: (row) => row.streams,
};

/** The part of all tunnels that somebody wants to see, and in which order. */
export interface ListQuery {
  /** In lower case; empty for all. */
  readonly text: string;
  readonly valueOf: (row: Row) => string | number | undefined;
  readonly isDescending: boolean;
  readonly offset: number;
  readonly limit: number;
}

/**
 * `undefined` without a parameter of the list: then all tunnels are wanted, in the order of their coming.
 * @throws ApiProblem `bad_request`
 */
export function readListQuery(query: URLSearchParams): ListQuery | undefined {
  if (!["q", "sort", "order", "offset", "limit"].some((name) => query.has(name))) return undefined;
  const sort = query.get("sort") ?? "name";
  const valueOf = Object.hasOwn(sortKeys, sort) ? sortKeys[sort as SortKey] : undefined;
  if (valueOf === undefined) throw bad(`'sort' is one of ${Object.keys(sortKeys).join(", ")}`);
  const order = query.get("order") ?? "asc";
  if (order !== "asc" && order !== "desc") throw bad("'order' is asc or desc");
  return {
    text: (query.get("q") ?? "").toLowerCase(),
    valueOf,
    isDescending: order === "desc",
    offset: readNumber(query, "offset", 0, Number.MAX_SAFE_INTEGER) ?? 0,
    limit: readNumber(query, "limit", 1, maxLimit) ?? standardLimit,
  };
}

/** The wanted tunnels. `total`: how many match, on all pages. */
export function listed(rows: readonly Row[], query: ListQuery): { tunnels: readonly Row[]; total: number } {
  const { text, valueOf, isDescending, offset, limit } = query;
  const matching = text === "" ? [...rows] : rows.filter((row) => textOf(row).includes(text));
  const direction = isDescending ? -1 : 1;
  // Rows of equal value keep their order, so that pages do not overlap.
  matching.sort((one, other) => compare(valueOf(one), valueOf(other), direction));
  return { tunnels: matching.slice(offset, offset + limit), total: matching.length };
}

function compare<T extends string | number>(
  one: T | undefined,
  other: T | undefined,
  direction: number,
): number {
  if (one === undefined || other === undefined)
    return Number(one === undefined) - Number(other === undefined);
  return one < other ? -direction : one > other ? direction : 0;
}

/** All that a search looks at, in lower case. No search goes over the line feeds between. */
function textOf({ name, token, note, address, client, relay, state }: Row): string {
  const texts = [name, token, note, address, client && `${client.name} ${client.version}`, relay, state];
  return texts
    .filter((text) => text !== undefined)
    .join("\n")
    .toLowerCase();
}

function readNumber(query: URLSearchParams, name: string, least: number, most: number): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const number = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw bad(
    `'${name}' is a whole number from ${least}${most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ""}`,
  );
}

const bad = (message: string): ApiProblem => new ApiProblem(400, "bad_request", message);
