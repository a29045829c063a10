import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { countText } from "mcp-tunnel-page/format.ts";

const shownAtOnce = 50;

export interface NewestProps<T> {
  /** In the order in which they came. */
  readonly items: readonly T[];
  /** How many came before those that are kept. */
  readonly dropped: number;
  readonly one: string;
  readonly children: (item: T, index: number) => ComponentChildren;
}

/** The newest of many things that came one by one, and more of them on request. */
export function Newest<T>({ items, dropped, one, children }: NewestProps<T>) {
  const [shown, setShown] = useState(shownAtOnce);
  const from = Math.max(0, items.length - shown);
  return (
    <>
      {dropped > 0 && (
        <p class="muted">
          {countText(dropped, one)} before these {dropped === 1 ? "is" : "are"} not kept.
        </p>
      )}
      {from > 0 && (
        <button type="button" class="link" onClick={() => setShown(shown + shownAtOnce)}>
          show earlier ones ({from.toLocaleString("en")} hidden)
        </button>
      )}
      <ol class="events">{items.slice(from).map((item, i) => children(item, from + i))}</ol>
      {items.length === 0 && <p class="muted">None yet.</p>}
    </>
  );
}
