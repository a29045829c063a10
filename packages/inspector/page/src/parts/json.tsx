import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { copyText } from "../clipboard.ts";
import { bytesText, countText } from "../format.ts";
import { allClosed, allOpen, type JsonFolds, type JsonRow, rowsOf, shownAtOnce } from "./json-rows.ts";
import { type JsonNode, partsOf, readJson, sizeOf } from "./json-text.ts";
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
  const [active, setActive] = useState("");
  const tree = useRef<HTMLDivElement>(null);
  const rows = useMemo(() => rowsOf(root, folds), [root, folds]);
  const isNested = partsOf(root, shownAtOnce).some(({ value }) => sizeOf(value) > 0);
  // The active row may be folded away: then the root can be reached by Tab.
  const reached = rows.some((row) => idOf(row) === active) ? active : "";
  const lost = useRef(false);
  useLayoutEffect(() => {
    if (lost.current) itemsOf(tree.current)[rows.findIndex((row) => idOf(row) === active)]?.focus();
    lost.current = false;
  });

  const turn = (row: JsonRow): void => {
    if (row.kind === "more") {
      const firstNew = `${row.path}.${row.next - shownAtOnce}`;
      setFolds({ ...folds, shown: new Map(folds.shown).set(row.path, row.next) });
      // The row that was pressed goes away.
      setActive(firstNew);
      lost.current = true;
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
      <div class="json-tree" role="tree" aria-label={label} ref={tree} onKeyDown={onKey}>
        {rows.map((row) => (
          <Row
            key={idOf(row)}
            row={row}
            isReached={idOf(row) === reached}
            onReach={() => setActive(idOf(row))}
            onTurn={() => turn(row)}
          />
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
  readonly isReached: boolean;
  readonly onReach: () => void;
  readonly onTurn: () => void;
}

/** Deeper values are not moved further to the right. */
const maxIndent = 20;

function Row({ row, isReached, onReach, onTurn }: RowProps) {
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
      aria-selected={isReached}
      tabIndex={isReached ? 0 : -1}
      style={{ "--level": String(Math.min(row.level - 1, maxIndent)) }}
      onFocus={onReach}
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
                {typeof row.label === "number" ? row.label : <Plain text={row.label} oneLine />}
                <span class="json-colon">: </span>
              </span>
            )}
            <Value node={row.node} opens={row.opens} isOpen={row.isOpen} />
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

interface ValueProps {
  readonly node: JsonNode;
  readonly opens: JsonNode | undefined;
  readonly isOpen: boolean;
}

function Value({ node, opens, isOpen }: ValueProps) {
  if (node.kind === "string") {
    if (opens === undefined) return <Quoted value={node.value} />;
    return (
      <>
        <span class="json-inner">JSON in a string</span>{" "}
        {isOpen ? (
          <span class="json-size">{bytesText(node.value.length)}</span>
        ) : (
          <Quoted value={node.value} />
        )}
      </>
    );
  }
  if (node.kind === "object" || node.kind === "array") {
    if (sizeOf(node) === 0) return <span class="json-size">{node.kind === "object" ? "{}" : "[]"}</span>;
    return <span class="json-size">{sizeText(node, isOpen)}</span>;
  }
  return <span class={`json-${node.kind}`}>{node.raw}</span>;
}

function sizeText(node: JsonNode, isOpen: boolean): string {
  if (node.kind === "array") return `[${countText(sizeOf(node), "item")}]`;
  if (node.kind !== "object" || isOpen) return `{${countText(sizeOf(node), "member")}}`;
  const keys = node.members.slice(0, 4).map(({ key }) => (key.length > 20 ? `${key.slice(0, 20)}…` : key));
  return `{ ${keys.join(", ")}${node.members.length > keys.length ? ", …" : ""} }`;
}

/** Longer strings are cut until the user wants all. */
const shownLength = 400;

function Quoted({ value }: { readonly value: string }) {
  const [isWhole, setWhole] = useState(false);
  const isCut = !isWhole && value.length > shownLength;
  const quoted = JSON.stringify(isCut ? value.slice(0, shownLength) : value);
  return (
    <span class="json-string">
      <Plain text={isCut ? quoted.slice(0, -1) : quoted} oneLine />
      {isCut && (
        <>
          {"… "}
          <button type="button" class="link" onClick={() => setWhole(true)}>
            show all ({bytesText(value.length)})
          </button>
        </>
      )}
    </span>
  );
}
