/** Lines that stand beside each other. A side without a line has `undefined`. */
export interface DiffRow {
  readonly kind: "same" | "changed" | "left" | "right";
  readonly left: string | undefined;
  readonly right: string | undefined;
}

/** Lines of each text that are compared; the table then takes 8 MB. */
export const maxDiffLines = 2_000;

/**
 * The longest common subsequence of two lists of lines, which are at most {@link maxDiffLines} long. Between
 * lines that are the same, a line that went stands beside one that came.
 */
export function diffLines(left: readonly string[], right: readonly string[]): DiffRow[] {
  const shorter = Math.min(left.length, right.length);
  let head = 0;
  while (head < shorter && left[head] === right[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && left.at(-1 - tail) === right.at(-1 - tail)) tail += 1;
  return [
    ...left.slice(0, head).map(same),
    ...diffMiddle(left.slice(head, left.length - tail), right.slice(head, right.length - tail)),
    ...left.slice(left.length - tail).map(same),
  ];
}

function same(line: string): DiffRow {
  return { kind: "same", left: line, right: line };
}

function diffMiddle(left: readonly string[], right: readonly string[]): DiffRow[] {
  const width = right.length + 1;
  // Length of the longest common subsequence of what follows each pair of places.
  const lengths = new Uint16Array((left.length + 1) * width);
  for (let row = left.length - 1; row >= 0; row -= 1) {
    for (let column = right.length - 1; column >= 0; column -= 1) {
      const at = row * width + column;
      lengths[at] =
        left[row] === right[column]
          ? lengths[at + width + 1]! + 1
          : Math.max(lengths[at + width]!, lengths[at + 1]!);
    }
  }
  const rows: DiffRow[] = [];
  let row = 0;
  let column = 0;
  while (row < left.length || column < right.length) {
    const gone: string[] = [];
    const come: string[] = [];
    while (row < left.length || column < right.length) {
      const at = row * width + column;
      if (row < left.length && column < right.length && left[row] === right[column]) break;
      if (column >= right.length || (row < left.length && lengths[at + width]! >= lengths[at + 1]!)) {
        gone.push(left[row]!);
        row += 1;
      } else {
        come.push(right[column]!);
        column += 1;
      }
    }
    rows.push(...beside(gone, come));
    if (row < left.length) rows.push(same(left[row]!));
    row += 1;
    column += 1;
  }
  return rows;
}

function beside(gone: readonly string[], come: readonly string[]): DiffRow[] {
  return Array.from({ length: Math.max(gone.length, come.length) }, (_, at) => {
    const [left, right] = [gone[at], come[at]];
    const kind = left === undefined ? "right" : right === undefined ? "left" : "changed";
    return { kind, left, right };
  });
}

/** Rows to show, or a number of rows that are the same and far from any that is not. */
export type DiffPart = { readonly rows: readonly DiffRow[] } | { readonly folded: readonly DiffRow[] };

/** Rows that are the same and stay before and after a difference. */
const context = 3;

export function foldSame(rows: readonly DiffRow[]): DiffPart[] {
  const parts: DiffPart[] = [];
  let at = 0;
  while (at < rows.length) {
    let end = at;
    const isSame = rows[at]!.kind === "same";
    while (end < rows.length && (rows[end]!.kind === "same") === isSame) end += 1;
    const before = at === 0 ? 0 : context;
    const after = end === rows.length ? 0 : context;
    if (isSame && end - at > before + after + 1) {
      if (before > 0) parts.push({ rows: rows.slice(at, at + before) });
      parts.push({ folded: rows.slice(at + before, end - after) });
      if (after > 0) parts.push({ rows: rows.slice(end - after, end) });
    } else parts.push({ rows: rows.slice(at, end) });
    at = end;
  }
  return parts;
}
