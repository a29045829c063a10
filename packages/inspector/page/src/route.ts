import { createRouter } from "mcp-tunnel-page/router.ts";
import type { Filters } from "../../src/model.ts";

const views = ["traffic", "mcp", "servers"] as const;
export type View = (typeof views)[number];

/** What the page shows. All of it is in the query of its URL. */
export interface Route {
  readonly view: View;
  /** The exchange whose details are shown in the view Traffic. */
  readonly id: number | undefined;
  /** The session and the call that are shown in the view MCP. */
  readonly session: string | undefined;
  readonly call: string | undefined;
  /** Two exchanges side by side, instead of any view. */
  readonly compare: readonly [a: number, b: number] | undefined;
  /** Filters of the list of traffic. */
  readonly filters: Filters;
  /** Filters of the calls of a session. They stay from one session to the next. */
  readonly callFilters: CallFilters;
}

export interface CallFilters {
  readonly text?: string;
  /** The name of a tool, a prompt or a resource, or a method without one. */
  readonly tool?: string;
  readonly outcome?: string;
}

export type FilterName = keyof Filters;

/** The filters by their names in the URL. `session` is taken there by the session that is shown. */
const filterParams: readonly (readonly [FilterName, string])[] = [
  ["method", "method"],
  ["tunnel", "tunnel"],
  ["path", "path"],
  ["status", "status"],
  ["text", "text"],
  ["mcp", "mcp"],
  ["tool", "tool"],
  ["session", "in"],
  ["errors", "errors"],
  ["slower", "slower"],
  ["kind", "kind"],
  ["replays", "replays"],
];

const callParams: readonly (readonly [keyof CallFilters, string])[] = [
  ["text", "find"],
  ["tool", "called"],
  ["outcome", "outcome"],
];

export const router = createRouter(readRoute, writeRoute);
export const { route, go, hrefOf, followHistory } = router;

/** The filters as the API takes them: empty, or `?method=POST`. */
export function queryOf(filters: Filters): string {
  const params = new URLSearchParams();
  for (const [name] of filterParams) {
    const value = filters[name];
    if (value !== undefined && value !== "") params.set(name, value);
  }
  return params.size === 0 ? "" : `?${params}`;
}

function readRoute(params: URLSearchParams): Route {
  const view = views.find((name) => name === params.get("view")) ?? "traffic";
  const pair = /^(\d{1,15})-(\d{1,15})$/.exec(params.get("compare") ?? "");
  const id = /^\d{1,15}$/.exec(params.get("id") ?? "");
  return {
    view,
    id: id === null ? undefined : Number(id[0]),
    session: params.get("session") ?? undefined,
    call: params.get("call") ?? undefined,
    compare: pair === null ? undefined : [Number(pair[1]), Number(pair[2])],
    filters: readParams(params, filterParams) as Filters,
    callFilters: readParams(params, callParams),
  };
}

function readParams<Name extends string>(
  params: URLSearchParams,
  names: readonly (readonly [Name, string])[],
): Partial<Record<Name, string>> {
  const values: Partial<Record<Name, string>> = {};
  for (const [name, param] of names) {
    const value = params.get(param);
    if (value !== null && value !== "") values[name] = value;
  }
  return values;
}

function writeRoute({ view, id, session, call, compare, filters, callFilters }: Route): URLSearchParams {
  const params = new URLSearchParams();
  if (view !== "traffic") params.set("view", view);
  if (id !== undefined) params.set("id", String(id));
  if (session !== undefined) params.set("session", session);
  if (call !== undefined) params.set("call", call);
  if (compare !== undefined) params.set("compare", compare.join("-"));
  for (const [name, param] of filterParams) {
    const value = filters[name];
    if (value !== undefined && value !== "") params.set(param, value);
  }
  for (const [name, param] of callParams) {
    const value = callFilters[name];
    if (value !== undefined && value !== "") params.set(param, value);
  }
  return params;
}

/** Replaces one filter. An empty one is left out. */
export function setFilter(name: FilterName, value: string | undefined): void {
  const { [name]: _, ...others } = route.peek().filters;
  const filters: Filters = value === undefined || value === "" ? others : { ...others, [name]: value };
  go({ filters }, "replace");
}
