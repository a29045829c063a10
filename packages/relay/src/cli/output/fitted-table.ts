import { printable } from "mcp-tunnel-shared";
import { charactersOf, columnsOf, table } from "mcp-tunnel-shared/command";

/** A column of a table that has to fit into a terminal. */
export interface Column {
  readonly title: string;
  readonly cells: readonly string[];
  /** How its cells may be cut. Default: they are shown whole. */
  readonly cut?: {
    /** So many characters are enough to read it well: other columns have to go for them. */
    readonly well: number;
    /** So many are left when all columns have gone that can go. */
    readonly least: number;
    /**
     * What stays of a long text. An ellipsis stands for the rest, but not of an id: its beginning will do.
     */
    readonly leaves: "both ends" | "the beginning" | "the beginning of an id";
  };
}

/** Between two columns. */
const gap = 2;

/**
 * The table in lines of at most `width` characters: without the columns of `dispensable` that there is no
 * room for, first to last, and with longer cells cut. A table of all the other columns may still be wider,
 * when no cell can be cut any more. `missing`: the columns that are left out. `isCut`: some cells are.
 */
export function fittedTable(
  columns: readonly Column[],
  dispensable: readonly string[],
  width: number,
): { readonly lines: string[]; readonly missing: readonly string[]; readonly isCut: boolean } {
  const all = columns.map((column) => ({ ...column, cells: column.cells.map(printable) }));
  const there = dispensable.filter((title) => columns.some((column) => column.title === title));
  const without = (count: number): Column[] =>
    all.filter(({ title }) => !there.slice(0, count).includes(title));
  const counts = Array.from({ length: there.length + 1 }, (_, count) => count);
  const count = counts.find((one) => sum(leastWidths(without(one), "well")) <= width) ?? there.length;
  const kept = without(count);
  const size = sum(leastWidths(kept, "well")) <= width ? "well" : "least";
  const widths = grown(kept, leastWidths(kept, size), width);
  const cells = kept.map((column, i) =>
    column.cells.map((cell) => shortened(cell, widths[i] as number, column)),
  );
  const rows = (columns[0]?.cells ?? []).map((_, row) => cells.map((column) => column[row] ?? ""));
  const titles = kept.map(({ title }) => title);
  const isCut = cells.some((column, i) => column.some((cell, row) => cell !== kept[i]?.cells[row]));
  return { lines: table(titles, rows), missing: there.slice(0, count), isCut };
}

/** What a narrow terminal does not show; `undefined` if it shows all. */
export function leftOutText({
  missing,
  isCut,
}: Pick<ReturnType<typeof fittedTable>, "missing" | "isCut">): string | undefined {
  if (missing.length === 0 && !isCut) return undefined;
  const columns = missing.length === 0 ? [] : [`no room for ${missing.join(", ")}`];
  const cells = isCut ? ["long texts are cut"] : [];
  return `${[...columns, ...cells].join("; ")} (--wide and --json have all)`;
}

/** The width of a table whose columns have these widths. */
function sum(widths: readonly number[]): number {
  return widths.reduce((total, width) => total + width + gap, -gap);
}

function wantedWidth({ title, cells }: Column): number {
  return Math.max(title.length, ...cells.map(columnsOf));
}

function leastWidths(columns: readonly Column[], size: "well" | "least"): number[] {
  return columns.map((column) =>
    Math.max(column.title.length, Math.min(wantedWidth(column), column.cut?.[size] ?? Infinity)),
  );
}

/** The widths when columns that are too narrow have got the room that there is. */
function grown(columns: readonly Column[], widths: readonly number[], width: number): number[] {
  const wanted = columns.map(wantedWidth);
  if (sum(wanted) <= width) return wanted;
  const now = [...widths];
  for (let room = width - sum(now); room > 0; room -= 1) {
    // The narrowest one is the next, and an id is the last.
    const next = now
      .flatMap((one, i) => (one < (wanted[i] as number) ? [i] : []))
      .toSorted((a, b) => rank(columns[a]) - rank(columns[b]) || (now[a] as number) - (now[b] as number))[0];
    if (next === undefined) return now;
    now[next] = (now[next] as number) + 1;
  }
  return now;
}

function rank(column: Column | undefined): number {
  return column?.cut?.leaves === "the beginning of an id" ? 1 : 0;
}

/** As much of a text as there is room for. No character is cut in two. */
function shortened(text: string, room: number, { cut }: Column): string {
  if (columnsOf(text) <= room) return text;
  const characters = charactersOf(text);
  if (cut?.leaves === "the beginning of an id") return within(characters, room).join("");
  const after = cut?.leaves === "both ends" ? Math.floor((room - 1) / 2) : 0;
  const end = within(characters.toReversed(), after).toReversed().join("");
  return `${within(characters, room - 1 - after)
    .join("")
    .trimEnd()}\u2026${end}`;
}

/** The first of the characters, as many as there is room for. */
function within(characters: readonly string[], room: number): string[] {
  let taken = 0;
  const first = characters.findIndex((character) => {
    taken += columnsOf(character);
    return taken > room;
  });
  return characters.slice(0, first === -1 ? characters.length : first);
}
