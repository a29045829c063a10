import { type JsonNode, partsOf, readInner, sizeOf } from "./json-text.ts";

/** A line of a tree. Its path is the places of the values around it: `.0.12`. */
export type JsonRow =
  | {
      readonly kind: "value";
      readonly path: string;
      /** From 1. */
      readonly level: number;
      /** The key of a member, or the place of an item. Undefined for the root. */
      readonly label: string | number | undefined;
      readonly node: JsonNode;
      /** What opens below it: its parts, or the JSON in a string. Undefined for all else. */
      readonly opens: JsonNode | undefined;
      readonly isOpen: boolean;
      readonly place: number;
      readonly siblings: number;
    }
  | {
      readonly kind: "more";
      /** That of the value which has more parts. */
      readonly path: string;
      readonly level: number;
      /** Values that are not shown. */
      readonly left: number;
      /** How many are shown after the next step. */
      readonly next: number;
    };

/** What a person has opened and closed, and how many parts of a value are shown, by paths. */
export interface JsonFolds {
  readonly open: ReadonlyMap<string, boolean>;
  readonly shown: ReadonlyMap<string, number>;
}

/** Parts of one value that are shown at once. */
export const shownAtOnce = 200;
/** Lines that "Expand all" opens at most: a browser takes a tenth of a second for them. */
const maxExpanded = 2_000;
/** At first, a value below the root is open if it is short, and one of few. */
const openLength = 1_500;
const openSiblings = 12;
const openLevels = 4;

export function rowsOf(root: JsonNode, folds: JsonFolds): JsonRow[] {
  const rows: JsonRow[] = [];
  // A stack: values may be nested deeper than functions may call each other.
  const rest: JsonRow[] = [rowOf(root, undefined, "", 1, 0, 1, folds)];
  for (let row = rest.pop(); row !== undefined; row = rest.pop()) {
    rows.push(row);
    if (row.kind === "more" || !row.isOpen || row.opens === undefined) continue;
    const { path, opens } = row;
    const level = row.level + 1;
    const size = sizeOf(opens);
    const shown = folds.shown.get(path) ?? shownAtOnce;
    const below: JsonRow[] = partsOf(opens, shown).map(({ key, value }, place) =>
      rowOf(value, key ?? place, `${path}.${place}`, level, place, size, folds),
    );
    if (size > shown) {
      below.push({ kind: "more", path, level, left: size - shown, next: shown + shownAtOnce });
    }
    rest.push(...below.toReversed());
  }
  return rows;
}

function rowOf(
  node: JsonNode,
  label: string | number | undefined,
  path: string,
  level: number,
  place: number,
  siblings: number,
  folds: JsonFolds,
): JsonRow {
  const opens = openingOf(node);
  const isShort = node.raw.length <= openLength && siblings <= openSiblings && level <= openLevels;
  const isOpen = folds.open.get(path) ?? (level === 1 || (isShort && node.kind !== "string"));
  return { kind: "value", path, level, label, node, opens, isOpen, place, siblings };
}

/** JSON in strings is read once. */
const inner = new WeakMap<JsonNode, { readonly node: JsonNode | undefined }>();

function openingOf(node: JsonNode): JsonNode | undefined {
  if (node.kind !== "string") return sizeOf(node) > 0 ? node : undefined;
  let read = inner.get(node);
  if (read === undefined) inner.set(node, (read = { node: readInner(node) }));
  return read.node;
}

/** Everything open, level by level, as far as that is not too much. */
export function allOpen(root: JsonNode): Map<string, boolean> {
  const open = new Map<string, boolean>();
  let level = [{ node: root, path: "" }];
  let rows = 0;
  while (level.length > 0 && rows <= maxExpanded) {
    const below: typeof level = [];
    for (const { node, path } of level) {
      const parts = partsOf(node, shownAtOnce);
      rows += parts.length;
      if (parts.length === 0 || rows > maxExpanded) continue;
      open.set(path, true);
      parts.forEach(({ value }, place) => below.push({ node: value, path: `${path}.${place}` }));
    }
    level = below;
  }
  return open;
}

/** All that is shown is closed, but for the root. */
export function allClosed(rows: readonly JsonRow[]): Map<string, boolean> {
  return new Map(rows.map(({ path }) => [path, path === ""]));
}
