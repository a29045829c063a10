/** Which rows of a long list are in the document. */
export interface RowWindow {
  /** The first row, from 0, and the one after the last. */
  readonly from: number;
  readonly to: number;
}

/** A document with more rows is slow to lay out. A taller window than they fill gets what it shows. */
const maxRows = 58;
/** Rows before and after those that are seen, so that a quick scroll does not show a gap. */
const spareRows = 8;

export function rowWindow(scrollTop: number, height: number, rowHeight: number, count: number): RowWindow {
  const seenFrom = Math.floor(scrollTop / rowHeight);
  const seen = Math.ceil(height / rowHeight) + 1;
  const spare = Math.max(0, Math.min(spareRows, Math.floor((maxRows - seen) / 2)));
  const from = Math.max(0, Math.min(seenFrom - spare, count - seen));
  return { from, to: Math.min(count, seenFrom + seen + spare) };
}

/** Where to scroll so that a row is seen whole, moving as little as possible. */
export function scrolledTo(row: number, rowHeight: number, scrollTop: number, height: number): number {
  const top = row * rowHeight;
  if (top < scrollTop) return top;
  return Math.max(scrollTop, top + rowHeight - height);
}
