import { useEffect, useRef, useState } from "preact/hooks";
import { getJson, messageOf } from "../api.ts";

/** The last answer stays while a newer one is on its way, so that nothing flashes. */
export interface Loaded<T> {
  readonly data: T | undefined;
  readonly problem: string | undefined;
}

const nothing = { data: undefined, problem: undefined };

/** From one answer to the next request, in milliseconds. A busy session changes ten times a second. */
const restMs = 300;

/** Gets what the API has under a path, and again for each new `version`: at once, or after a rest. */
export function useLive<T>(path: string | undefined, version: unknown): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T> & { readonly path: string | undefined }>({
    ...nothing,
    path,
  });
  const refresh = useRef<(() => void) | undefined>(undefined);
  useEffect(() => {
    if (path === undefined) return undefined;
    const stop = new AbortController();
    let state: "idle" | "busy" | "stale" = "idle";
    const load = async (): Promise<void> => {
      do {
        state = "busy";
        try {
          const data = await getJson<T>(path, stop.signal);
          if (!stop.signal.aborted) setLoaded({ path, data, problem: undefined });
        } catch (error) {
          if (!stop.signal.aborted) {
            const problem = messageOf(error);
            setLoaded((before) => ({ path, data: before.path === path ? before.data : undefined, problem }));
          }
        }
        await new Promise((resolve) => setTimeout(resolve, restMs));
        // The state may have changed while the answer was awaited.
      } while ((state as string) === "stale" && !stop.signal.aborted);
      state = "idle";
    };
    refresh.current = () => {
      if (state === "idle") void load();
      else state = "stale";
    };
    return () => stop.abort();
  }, [path]);
  useEffect(() => refresh.current?.(), [path, version]);
  return loaded.path === path ? loaded : nothing;
}
