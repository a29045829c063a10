import { countText } from "mcp-tunnel-page/format.ts";
import { useKeys } from "mcp-tunnel-page/keys.ts";
import { useEffect, useRef } from "preact/hooks";
import type { SortKey } from "../../../src/model.ts";
import { go, route } from "../route.ts";

/** Long enough that not each letter is a question to the relay. */
const debounceMs = 250;

/** Orders that make sense, in words. Numbers begin with the largest. */
const orders: readonly (readonly [SortKey, isDescending: boolean, words: string])[] = [
  ["name", false, "Name"],
  ["since", true, "Newest"],
  ["since", false, "Oldest"],
  ["requests", true, "Most requests"],
  ["bytes", true, "Most bytes"],
  ["streams", true, "Most open"],
  ["rtt", true, "Longest round trip"],
];

export function Toolbar({ total }: { readonly total: number | undefined }) {
  const search = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const { find, sort, isDescending } = route.value;
  useKeys({ "/": () => search.current?.focus() });
  // While the user types, the route follows the field, and it lags behind.
  useEffect(() => {
    const field = search.current;
    if (field !== null && field !== document.activeElement) field.value = find;
  }, [find]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const seek = (text: string): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => go({ find: text, page: 1 }, "replace"), debounceMs);
  };
  return (
    <div role="search" class="toolbar" aria-label="Tunnels">
      <input
        ref={search}
        type="search"
        class="field toolbar-find"
        aria-label="Search for names, owners and addresses"
        placeholder="Name, owner or address  ( / )"
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => seek(event.currentTarget.value.trim())}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.preventDefault();
          if (event.currentTarget.value === "") event.currentTarget.blur();
          event.currentTarget.value = "";
          seek("");
        }}
      />
      <select
        class="toolbar-sort"
        aria-label="Order"
        value={`${sort} ${isDescending}`}
        onChange={({ currentTarget: { value } }) => {
          const chosen = orders.find(([key, descending]) => `${key} ${descending}` === value);
          if (chosen !== undefined) go({ sort: chosen[0], isDescending: chosen[1], page: 1 }, "replace");
        }}
      >
        {orders.map(([key, descending, words]) => (
          <option key={words} value={`${key} ${descending}`}>
            {words}
          </option>
        ))}
      </select>
      <span class="toolbar-count" role="status">
        {total !== undefined &&
          (find === "" ? countText(total, "tunnel") : `${total.toLocaleString("en")} found`)}
      </span>
    </div>
  );
}
