import { createRouter } from "mcp-tunnel-page/router.ts";
import { type SortKey, sortKeys } from "../../src/model.ts";

const views = ["tunnels", "relay", "tokens"] as const;
export type View = (typeof views)[number];

export interface Route {
  readonly view: View;
  /** The name of the tunnel whose details are shown, in place of the list. */
  readonly tunnel: string | undefined;
  /** What is searched for in the list of tunnels. */
  readonly find: string;
  readonly sort: SortKey;
  readonly isDescending: boolean;
  /** The page of the list, from 1. */
  readonly page: number;
}

export const router = createRouter<Route>(readRoute, writeRoute);
export const { route, go, hrefOf, followHistory } = router;

function readRoute(params: URLSearchParams): Route {
  const page = /^[1-9]\d{0,5}$/.exec(params.get("page") ?? "");
  return {
    view: views.find((name) => name === params.get("view")) ?? "tunnels",
    tunnel: params.get("tunnel") ?? undefined,
    find: params.get("find") ?? "",
    sort: sortKeys.find((name) => name === params.get("sort")) ?? "name",
    isDescending: params.get("order") === "desc",
    page: page === null ? 1 : Number(page[0]),
  };
}

function writeRoute({ view, tunnel, find, sort, isDescending, page }: Route): URLSearchParams {
  const params = new URLSearchParams();
  if (view !== "tunnels") params.set("view", view);
  if (tunnel !== undefined) params.set("tunnel", tunnel);
  if (find !== "") params.set("find", find);
  if (sort !== "name") params.set("sort", sort);
  if (isDescending) params.set("order", "desc");
  if (page !== 1) params.set("page", String(page));
  return params;
}
