import { signal } from "@preact/signals";
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

const current = signal(readRoute(location.search));

/** The route that is shown. Read it in a component, and the component follows it. */
export const route = {
  get value(): Route {
    return current.value;
  },
  peek: (): Route => current.peek(),
};

/** Shows something else. `replace`: it takes the place of what is shown in the history. */
export function go(change: Partial<Route>, how: "push" | "replace" = "push"): void {
  const next = { ...current.peek(), ...change };
  const href = hrefOfRoute(next);
  if (href === hrefOfRoute(current.peek())) return;
  if (how === "push") history.pushState(null, "", href);
  else history.replaceState(null, "", href);
  current.value = next;
}

/** The URL of what {@link go} would show. */
export function hrefOf(change: Partial<Route>): string {
  return hrefOfRoute({ ...current.value, ...change });
}

/** Follows the back button. Call it once. */
export function followHistory(): void {
  addEventListener("popstate", () => {
    current.value = readRoute(location.search);
  });
}

/** The filters as the API takes them: empty, or `?method=POST`. */
export function queryOf(filters: Filters): string {
  const params = new URLSearchParams();
  for (const [name] of filterParams) {
    const value = filters[name];
    if (value !== undefined && value !== "") params.set(name, value);
  }
  return params.size === 0 ? "" : `?${params}`;
}

function readRoute(search: string): Route {
  const params = new URLSearchParams(search);
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

function hrefOfRoute({ view, id, session, call, compare, filters, callFilters }: Route): string {
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
  return params.size === 0 ? location.pathname : `${location.pathname}?${params}`;
}

/** Replaces one filter. An empty one is left out. */
export function setFilter(name: FilterName, value: string | undefined): void {
  const { [name]: _, ...others } = route.peek().filters;
  const filters: Filters = value === undefined || value === "" ? others : { ...others, [name]: value };
  go({ filters }, "replace");
}
