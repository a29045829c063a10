import { useEffect, useState } from "preact/hooks";
import type { ExchangeDetail } from "../../../src/model.ts";
import { ApiProblem, getJson, messageOf } from "../api.ts";
import { entryOf, link } from "../store.ts";

export type DetailState =
  | { readonly kind: "loading" }
  | { readonly kind: "loaded"; readonly detail: ExchangeDetail; readonly isGone: boolean }
  | { readonly kind: "failed"; readonly message: string };

/** An open exchange changes with each event. Its details are asked for no more often than that. */
const refreshMs = 400;
/** The stream does not tell of an exchange that the filters do not match. */
const pollMs = 2_000;

/** The details of an exchange. They follow it while it goes on, and stay when it is kept no more. */
export function useDetail(id: number): DetailState {
  const [state, setState] = useState<DetailState & { readonly id: number }>({ kind: "loading", id });
  const summary = entryOf(id);
  const current = state.id === id ? state : ({ kind: "loading" } as const);
  const isPolled =
    summary === undefined && current.kind === "loaded" && current.detail.state === "open" && !current.isGone;
  const [polls, setPolls] = useState(0);

  useEffect(() => {
    if (!isPolled) return;
    const timer = setInterval(() => setPolls((count) => count + 1), pollMs);
    return () => clearInterval(timer);
  }, [isPolled]);

  const isLive = link.value.kind === "live";
  useEffect(() => {
    const stop = new AbortController();
    const load = async (): Promise<void> => {
      try {
        const detail = await getJson<ExchangeDetail>(`exchanges/${id}`, stop.signal);
        setState({ kind: "loaded", detail, isGone: false, id });
      } catch (error) {
        if (stop.signal.aborted) return;
        const isGone = error instanceof ApiProblem && error.status === 404;
        setState((before) => {
          if (before.id === id && before.kind === "loaded") return { ...before, isGone };
          return { kind: "failed", message: isGone ? goneText : messageOf(error), id };
        });
      }
    };
    const isFirst = current.kind === "loading";
    const timer = setTimeout(() => void load(), isFirst ? 0 : refreshMs);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [id, summary, polls, isLive]);
  return current;
}

const goneText =
  "This exchange is kept no more. The oldest exchanges make room for new ones, and Clear deletes all.";
