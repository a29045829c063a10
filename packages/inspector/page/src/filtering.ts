import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { queryOf, route } from "./route.ts";
import { follow } from "./store.ts";

/** Long enough that not each letter opens a stream. */
const debounceMs = 250;

/** Follows what matches the filters of the route. */
export function useFilters(): void {
  const followed = useRef<string | undefined>(undefined);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useSignalEffect(() => {
    const { filters } = route.value;
    const query = queryOf(filters);
    clearTimeout(timer.current);
    if (query === followed.current) return;
    const start = (): void => {
      followed.current = query;
      follow(filters);
    };
    if (followed.current === undefined) start();
    else timer.current = setTimeout(start, debounceMs);
  });
  useEffect(() => () => clearTimeout(timer.current), []);
}
