import { computed, signal } from "@preact/signals";
import type { ApiProblem } from "mcp-tunnel-page/api.ts";
import type { Overview } from "../../src/model.ts";
import { type Poll, startPoll } from "./poll.ts";
import { type Overviews, withOverview } from "./rates.ts";

/** What the relay has said of itself in the last minutes, the oldest first. */
export const overviews = signal<Overviews>([]);
export const overview = computed(() => overviews.value.at(-1));

/** The page's own connection to the relay. `lost` since a time of this machine. */
export type Link =
  | { readonly kind: "connecting" | "live" }
  | { readonly kind: "lost"; readonly since: number; readonly problem: ApiProblem };
export const link = signal<Link>({ kind: "connecting" });

/** Follows the relay, whatever the page shows. */
export function followRelay(): Poll {
  return startPoll<Overview>({
    path: "overview",
    onData(next) {
      overviews.value = withOverview(overviews.peek(), next);
      if (link.peek().kind !== "live") link.value = { kind: "live" };
    },
    onProblem(problem) {
      const before = link.peek();
      const since = before.kind === "lost" ? before.since : Date.now();
      link.value = { kind: "lost", since, problem };
    },
    count: () => {
      const tunnels = overview.peek()?.tunnels;
      return tunnels === undefined ? 0 : tunnels.online + tunnels.away + tunnels.leaving;
    },
  });
}

/** Nothing of the relay is kept when the user signs out. */
export function forgetRelay(): void {
  overviews.value = [];
  link.value = { kind: "connecting" };
}
