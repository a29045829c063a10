import { useEffect, useRef, useState } from "preact/hooks";
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

const goneText =
  "This exchange is kept no more. The oldest exchanges make room for new ones, and Clear deletes all.";

/** The details of an exchange. They follow it while it goes on, and stay when it is kept no more. */
export function useDetail(id: number): DetailState {
  const [known, setKnown] = useState<{ readonly id: number; readonly state: DetailState } | undefined>(
    undefined,
  );
  const state: DetailState = known?.id === id ? known.state : { kind: "loading" };
  const loader = useRef<Loader | undefined>(undefined);
  const summary = entryOf(id);

  useEffect(() => {
    const started = new Loader(id, (change) => {
      setKnown((before) => ({ id, state: change(before?.id === id ? before.state : { kind: "loading" }) }));
    });
    loader.current = started;
    return () => started.stop();
  }, [id]);

  const isLive = link.value.kind === "live";
  useEffect(() => loader.current?.wants(), [id, summary, isLive]);

  const isPolled =
    summary === undefined && state.kind === "loaded" && state.detail.state === "open" && !state.isGone;
  useEffect(() => {
    if (!isPolled) return;
    const timer = setInterval(() => loader.current?.wants(), pollMs);
    return () => clearInterval(timer);
  }, [isPolled]);
  return state;
}

/** Loads the details of one exchange as often as it is asked to, but not faster than it may. */
class Loader {
  readonly #id: number;
  readonly #onChange: (change: (before: DetailState) => DetailState) => void;
  readonly #stop = new AbortController();
  #phase: "idle" | "busy" | "busy and asked again" = "idle";

  constructor(id: number, onChange: (change: (before: DetailState) => DetailState) => void) {
    this.#id = id;
    this.#onChange = onChange;
  }

  wants(): void {
    if (this.#phase === "idle") void this.#load();
    else this.#phase = "busy and asked again";
  }

  stop(): void {
    this.#stop.abort();
  }

  async #load(): Promise<void> {
    this.#phase = "busy";
    try {
      const detail = await getJson<ExchangeDetail>(`exchanges/${this.#id}`, this.#stop.signal);
      this.#onChange(() => ({ kind: "loaded", detail, isGone: false }));
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const isGone = error instanceof ApiProblem && error.status === 404;
      this.#onChange((before) => {
        if (before.kind === "loaded") return { ...before, isGone };
        return { kind: "failed", message: isGone ? goneText : messageOf(error) };
      });
    }
    setTimeout(() => {
      const isAsked = this.#phase === "busy and asked again";
      this.#phase = "idle";
      if (isAsked && !this.#stop.signal.aborted) void this.#load();
    }, refreshMs);
  }
}
