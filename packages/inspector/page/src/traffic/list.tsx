import { signal } from "@preact/signals";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ExchangeSummary } from "../../../src/model.ts";
import { countText } from "mcp-tunnel-page/format.ts";
import { useKeys } from "mcp-tunnel-page/keys.ts";
import { go, queryOf, route } from "../route.ts";
import { entries, link, positionOf, state } from "../store.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { Row } from "./row.tsx";
import { rowWindow, scrolledTo } from "./window.ts";

const rowHeightPx = 28;
const tallRowHeightPx = 50;
/** A narrower list shows each row on two lines. */
const narrowPx = 520;

/** Names and classes of the cells of a row. */
const columns = [
  ["Time", "time"],
  ["Method", "method"],
  ["Path", "path"],
  ["Status", "state"],
  ["MCP", "mcp-cell"],
  ["Duration", "number duration"],
  ["Size", "number size"],
] as const;

/** The row that has the focus, or had it last. */
const active = signal<number | undefined>(undefined);

/** Shows an exchange's details. With `replace`, the back button goes to what was before the details. */
export function open(id: number): void {
  active.value = id;
  go({ id }, route.peek().id === undefined ? "push" : "replace");
}

/** Gives the focus to the row of the exchange that was looked at last. */
export function focusRow(): void {
  const row = document.querySelector<HTMLElement>(".row[tabindex='0']");
  row?.focus({ preventScroll: true });
}

/**
 * The exchanges, the newest on top. Only the rows that are seen are in the document, and the one with the
 * focus. The list follows what is new while it is at its top and has no focus; else it holds still.
 */
export function ExchangeList() {
  const scroller = useRef<HTMLDivElement>(null);
  const [box, setBox] = useState({ width: 0, height: 0 });
  const [scrollTop, setScrollTop] = useState(0);
  /** The newest exchange that the user has seen on top. */
  const [seen, setSeen] = useState(0);
  /** The exchange at the top edge, and how much of it is hidden there. */
  const anchor = useRef<{ id: number; offset: number } | undefined>(undefined);
  const wantsFocus = useRef(false);

  const all = entries.value;
  const count = all.length;
  const isNarrow = box.width < narrowPx;
  const rowHeight = isNarrow ? tallRowHeightPx : rowHeightPx;
  const { from, to } = rowWindow(scrollTop, box.height, rowHeight, count);
  const openId = route.value.id;
  const newest = all[count - 1]?.id ?? 0;

  const atRow = (row: number): ExchangeSummary | undefined => all[count - 1 - row];
  const rowOf = (id: number | undefined): number => {
    if (id === undefined) return -1;
    const at = positionOf(all, id);
    return all[at]?.id === id ? count - 1 - at : -1;
  };
  const activeRow = Math.max(0, rowOf(active.value));

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => {
      setBox({ width: element.clientWidth, height: element.clientHeight });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  // Rows that come in on top push the others down. The list is scrolled as far, so that they stand still.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null || count === 0) return;
    const isFollowing = element.scrollTop < 1 && !element.contains(document.activeElement);
    const held = rowOf(anchor.current?.id);
    if (!isFollowing && held >= 0) element.scrollTop = held * rowHeight + anchor.current!.offset;
    remember(element);
  }, [all, rowHeight, box.height]);

  useLayoutEffect(() => {
    if (!wantsFocus.current) return;
    wantsFocus.current = false;
    focusRow();
  });

  function remember(element: HTMLElement): void {
    const row = Math.floor(element.scrollTop / rowHeight);
    const id = atRow(row)?.id;
    anchor.current = id === undefined ? undefined : { id, offset: element.scrollTop - row * rowHeight };
    setScrollTop(element.scrollTop);
    if (row === 0) setSeen(newest);
  }

  function moveTo(row: number): void {
    const element = scroller.current;
    const entry = atRow(Math.max(0, Math.min(count - 1, row)));
    if (element === null || entry === undefined) return;
    active.value = entry.id;
    wantsFocus.current = true;
    element.scrollTop = scrolledTo(rowOf(entry.id), rowHeight, element.scrollTop, box.height);
    remember(element);
    // The details that are shown follow.
    if (route.peek().id !== undefined) open(entry.id);
  }

  const page = Math.max(1, Math.floor(box.height / rowHeight) - 1);
  // Keys may come faster than the list is drawn.
  const rowNow = (): number => Math.max(0, rowOf(active.peek()));
  // The first move goes to the row that would get the focus.
  const move = (by: number) => () => {
    const isFocused = wantsFocus.current || scroller.current?.contains(document.activeElement) === true;
    moveTo(isFocused || route.peek().id !== undefined ? rowNow() + by : rowNow());
  };
  useKeys({ j: move(1), k: move(-1) });

  function onKeyDown(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const now = rowNow();
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: now + 1,
      ArrowUp: now - 1,
      PageDown: now + page,
      PageUp: now - page,
      Home: 0,
      End: count - 1,
    };
    const target = Object.hasOwn(moves, event.key) ? moves[event.key] : undefined;
    if (target !== undefined) {
      event.preventDefault();
      moveTo(target);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      const entry = atRow(now);
      if (entry !== undefined) open(entry.id);
    }
  }

  const shown: number[] = [];
  if (activeRow < from && count > 0) shown.push(activeRow);
  for (let row = from; row < to; row += 1) shown.push(row);
  if (activeRow >= to && activeRow < count) shown.push(activeRow);
  const unseen = scrollTop < 1 ? 0 : count - positionOf(all, seen + 1);

  return (
    <div class="list">
      <div
        role="grid"
        class={isNarrow ? "grid narrow" : "grid"}
        aria-label="Exchanges, the newest first"
        aria-rowcount={count + 1}
        onKeyDown={onKeyDown}
      >
        <div role="rowgroup" class="grid-head">
          <div role="row" class="row-head" aria-rowindex={1}>
            {columns.map(([name, className]) => (
              <span key={name} role="columnheader" class={`cell ${className}`}>
                {name}
              </span>
            ))}
          </div>
        </div>
        <div
          role="rowgroup"
          class="grid-rows"
          ref={scroller}
          onScroll={(event) => remember(event.currentTarget)}
        >
          <div role="presentation" class="grid-whole" style={{ height: `${count * rowHeight}px` }}>
            {shown.map((row) => {
              const entry = atRow(row)!;
              return (
                <Row
                  key={entry.id}
                  entry={entry}
                  index={row}
                  top={row * rowHeight}
                  isActive={row === activeRow}
                  isOpen={entry.id === openId}
                  onOpen={open}
                  onFocus={(id) => {
                    active.value = id;
                  }}
                />
              );
            })}
          </div>
        </div>
      </div>
      {unseen > 0 && (
        <button type="button" class="button primary new-rows" onClick={() => moveTo(0)}>
          ↑ {countText(unseen, "new", "new")}
        </button>
      )}
      {count === 0 && <Empty />}
    </div>
  );
}

function Empty() {
  if (link.value.kind === "connecting") return null;
  const url = state.value?.url;
  const isFiltered = queryOf(route.value.filters) !== "";
  return (
    <div class="empty">
      <p>{isFiltered ? "Nothing that is kept matches these filters." : "No requests yet."}</p>
      {isFiltered ? (
        <button type="button" class="button" onClick={() => go({ filters: {} })}>
          Clear the filters
        </button>
      ) : (
        <p class="muted">
          They show up here as they come to{" "}
          {url === undefined ? "the tunnel" : <code>{printable(url, true)}</code>}.
        </p>
      )}
    </div>
  );
}
