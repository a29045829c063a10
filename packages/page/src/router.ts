import { signal } from "@preact/signals";

/** What the page shows, all of it in the query of its URL. */
export interface Router<Route extends object> {
  /** The route that is shown. Read it in a component, and the component follows it. */
  readonly route: { readonly value: Route; peek(): Route };
  /** Shows something else. `replace`: it takes the place of what is shown in the history. */
  readonly go: (change: Partial<Route>, how?: "push" | "replace") => void;
  /** The URL of what `go` would show. */
  readonly hrefOf: (change: Partial<Route>) => string;
  /** Follows the back button. Call it once. */
  readonly followHistory: () => void;
}

/** `read` takes any query. `write` gives the query that `read` makes the same route of. */
export function createRouter<Route extends object>(
  read: (params: URLSearchParams) => Route,
  write: (route: Route) => URLSearchParams,
): Router<Route> {
  const now = (): Route => read(new URLSearchParams(location.search));
  const current = signal(now());

  function hrefOfRoute(route: Route): string {
    const params = write(route);
    return params.size === 0 ? location.pathname : `${location.pathname}?${params}`;
  }

  return {
    route: {
      get value() {
        return current.value;
      },
      peek: () => current.peek(),
    },
    go(change, how = "push") {
      const next = { ...current.peek(), ...change };
      const href = hrefOfRoute(next);
      if (href === hrefOfRoute(current.peek())) return;
      if (how === "push") history.pushState(null, "", href);
      else history.replaceState(null, "", href);
      current.value = next;
    },
    hrefOf: (change) => hrefOfRoute({ ...current.value, ...change }),
    followHistory() {
      addEventListener("popstate", () => {
        current.value = now();
      });
    },
  };
}
