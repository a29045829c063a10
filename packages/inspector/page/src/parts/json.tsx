import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { copyText } from "mcp-tunnel-page/clipboard.ts";
import { countText } from "mcp-tunnel-page/format.ts";
import { allClosed, allOpen, type JsonFolds, type JsonRow, rowsOf, shownAtOnce } from "./json-rows.ts";
import { type JsonNode, partsOf, readJson, sizeOf } from "./json-text.ts";
import { JsonValue } from "./json-value.tsx";
import { Plain } from "./text.tsx";
import "./json.css";

export interface JsonProps {
  readonly text: string;
  /** What the tree is, for screen readers. Default: `JSON`. */
  readonly label?: string;
}

/** A JSON text as a tree that can be folded. What is no JSON is shown as it is, with a word. */
export function JsonView({ text, label = "JSON" }: JsonProps) {
  const reading = useMemo(() => readJson(text), [text]);
  if ("node" in reading) return <Tree root={reading.node} label={label} />;
  const why = reading.problem === "cut" ? "This JSON is cut off" : "This is not valid JSON";
  return (
    <>
      <p class="json-problem">
        {why} after {countText(reading.at, "character")}.
      </p>
      <pre class="text">
        <Plain text={text} />
      </pre>
    </>
  );
}

const noFolds: JsonFolds = { open: new Map(), shown: new Map() };

function Tree({ root, label }: { readonly root: JsonNode; readonly label: string }) {
  const [folds, setFolds] = useState(noFolds);
  const tree = useRef<HTMLDivElement>(null);
  const rows = useMemo(() => rowsOf(root, folds), [root, folds]);
  const isNested = partsOf(root, shownAtOnce).some(({ value }) => sizeOf(value) > 0);
  /** The row that gets the focus when it is there. */
  const next = useRef<string | undefined>(undefined);
  useLayoutEffect(() => {
    const items = itemsOf(tree.current);
    if (next.current !== undefined) items[rows.findIndex((row) => idOf(row) === next.current)]?.focus();
    next.current = undefined;
    // The row to which Tab has led may be folded away.
    if (items.every(({ tabIndex }) => tabIndex !== 0)) items[0]!.tabIndex = 0;
  });

  const turn = (row: JsonRow): void => {
    if (row.kind === "more") {
      setFolds({ ...folds, shown: new Map(folds.shown).set(row.path, row.next) });
      next.current = `${row.path}.${row.next - shownAtOnce}`;
    } else if (row.opens !== undefined) {
      setFolds({ ...folds, open: new Map(folds.open).set(row.path, !row.isOpen) });
    }
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const items = itemsOf(tree.current);
    const at = items.findIndex((item) => item === event.target);
    const row = rows[at];
    if (row === undefined) return;
    const to = targetOf(event.key, rows, at);
    const isTurn = event.key === "Enter" || event.key === " ";
    if (to !== undefined) items[to]?.focus();
    else if (isTurn || isFoldKey(event.key, row)) turn(row);
    else if (event.key === "c" && row.kind === "value") copyValue(row.node);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="json">
      <div class="json-tools">
        {isNested && (
          <>
            <Tool text="Expand all" onClick={() => setFolds({ ...noFolds, open: allOpen(root) })} />
            <Tool text="Collapse all" onClick={() => setFolds({ ...noFolds, open: allClosed(rows) })} />
          </>
        )}
        <Tool text="Copy" onClick={() => copyValue(root)} />
      </div>
      <div class="json-tree" role="tree" aria-label={label} ref={tree} onKeyDown={onKey} onFocusIn={reach}>
        {rows.map((row) => (
          <Row key={idOf(row)} row={row} onTurn={() => turn(row)} />
        ))}
      </div>
    </div>
  );
}

function Tool({ text, onClick }: { readonly text: string; readonly onClick: () => void }) {
  return (
    <button type="button" class="link" onClick={onClick}>
      {text}
    </button>
  );
}

function idOf({ kind, path }: JsonRow): string {
  return kind === "more" ? `${path}.more` : path;
}

function itemsOf(tree: HTMLElement | null): HTMLElement[] {
  return [...(tree?.querySelectorAll<HTMLElement>("[role=treeitem]") ?? [])];
}

/**
 * Tab leads to the row that had the focus last (a roving tabindex). Not by a new drawing: it would take long
 * for each key in a tree of thousands of rows.
 */
function reach({ currentTarget, target }: FocusEvent): void {
  const item = target instanceof Element && target.closest<HTMLElement>("[role=treeitem]");
  if (!(item instanceof HTMLElement) || !(currentTarget instanceof HTMLElement)) return;
  for (const other of currentTarget.querySelectorAll<HTMLElement>("[role=treeitem][tabindex='0']")) {
    other.tabIndex = -1;
  }
  item.tabIndex = 0;
}

/** Where a key leads, as in any tree (ARIA Authoring Practices). Undefined: it leads nowhere. */
function targetOf(key: string, rows: readonly JsonRow[], at: number): number | undefined {
  const row = rows[at]!;
  const isOpen = row.kind === "value" && row.opens !== undefined && row.isOpen;
  switch (key) {
    case "ArrowDown":
      return Math.min(at + 1, rows.length - 1);
    case "ArrowUp":
      return Math.max(at - 1, 0);
    case "Home":
      return 0;
    case "End":
      return rows.length - 1;
    case "ArrowRight":
      return isOpen ? at + 1 : undefined;
    case "ArrowLeft": {
      if (isOpen) return undefined;
      const parent = rows.slice(0, at).findLastIndex(({ level }) => level < row.level);
      return parent === -1 ? undefined : parent;
    }
    default:
      return undefined;
  }
}

function isFoldKey(key: string, row: JsonRow): boolean {
  if (row.kind === "more" || row.opens === undefined) return false;
  return key === (row.isOpen ? "ArrowLeft" : "ArrowRight");
}

function copyValue(node: JsonNode): void {
  void copyText(node.kind === "string" ? node.value : node.raw, "the value");
}

interface RowProps {
  readonly row: JsonRow;
  readonly onTurn: () => void;
}

/** Deeper values are not moved further to the right. */
const maxIndent = 20;

function Row({ row, onTurn }: RowProps) {
  const opens = row.kind === "value" && row.opens !== undefined;
  const onClick = (event: MouseEvent): void => {
    const isOther = event.target instanceof Element && event.target.closest("button") !== null;
    // Who selects a part of a text does not mean to fold it.
    if (!isOther && (opens || row.kind === "more") && getSelection()?.isCollapsed !== false) onTurn();
  };
  return (
    <div
      class={opens || row.kind === "more" ? "json-row turns" : "json-row"}
      role="treeitem"
      aria-level={row.level}
      aria-expanded={row.kind === "value" && opens ? row.isOpen : undefined}
      aria-posinset={row.kind === "value" ? row.place + 1 : undefined}
      aria-setsize={row.kind === "value" ? row.siblings : undefined}
      tabIndex={-1}
      style={{ "--level": String(Math.min(row.level - 1, maxIndent)) }}
      onClick={onClick}
    >
      <span class="json-turn" aria-hidden="true">
        {opens ? (row.isOpen ? "▾" : "▸") : ""}
      </span>
      {row.kind === "more" ? (
        <span class="json-more">
          {row.left.toLocaleString("en")} more: show {Math.min(row.left, shownAtOnce)}
        </span>
      ) : (
        <>
          <span class="json-line">
            {row.label !== undefined && (
              <span class={typeof row.label === "number" ? "json-place" : "json-key"}>
                {typeof row.label === "number" ? (
                  row.label
                ) : (
                  <Plain text={row.label === "" ? '""' : row.label} oneLine />
                )}
                <span class="json-colon">: </span>
              </span>
            )}
            <JsonValue node={row.node} opens={row.opens} isOpen={row.isOpen} />
          </span>
          <button
            type="button"
            class="link json-copy"
            // The key C of the row does the same.
            tabIndex={-1}
            aria-hidden="true"
            onClick={() => copyValue(row.node)}
          >
            copy
          </button>
        </>
      )}
    </div>
  );
}
