import { useMemo, useState } from "preact/hooks";
import { countText } from "mcp-tunnel-page/format.ts";
import { type DiffPart, type DiffRow, diffLines, foldSame, maxDiffLines } from "../parts/line-diff.ts";
import { printable } from "mcp-tunnel-page/printable.ts";

interface DiffProps {
  readonly title: string;
  readonly left: string;
  readonly right: string;
}

/** Two texts line by line, what is the same far from a difference folded. */
export function Diff({ title, left, right }: DiffProps) {
  const { rows, isCut } = useMemo(() => {
    const sides = [left, right].map((text) => text.split("\n"));
    const [one, other] = sides.map((lines) => lines.slice(0, maxDiffLines));
    return { rows: diffLines(one!, other!), isCut: sides.some((lines) => lines.length > maxDiffLines) };
  }, [left, right]);
  const changes = rows.filter(({ kind }) => kind !== "same").length;
  return (
    <section class="diff">
      <h3>
        {title}{" "}
        <span class="muted">
          {changes === 0 ? "the same" : countText(changes, "line differs", "lines differ")}
        </span>
      </h3>
      {isCut && <p class="warn">Only the first {maxDiffLines.toLocaleString("en")} lines are compared.</p>}
      <div class="diff-box">
        {left === "" && right === "" ? (
          <p class="muted diff-none">None.</p>
        ) : (
          foldSame(rows).map((part, place) => <Part key={place} part={part} />)
        )}
      </div>
    </section>
  );
}

/** Equal rows that are shown at once when they are unfolded: a document has room for some thousands. */
function Part({ part }: { readonly part: DiffPart }) {
  const [isOpen, setOpen] = useState(false);
  if ("folded" in part && !isOpen) {
    return (
      <button type="button" class="diff-fold" onClick={() => setOpen(true)}>
        {countText(part.folded.length, "equal line")}: show
      </button>
    );
  }
  const rows = "rows" in part ? part.rows : part.folded;
  return (
    <>
      {rows.map((row, place) => (
        <Row key={place} row={row} />
      ))}
    </>
  );
}

function Row({ row: { kind, left, right } }: { readonly row: DiffRow }) {
  if (kind === "same") {
    return (
      <div class="diff-row same">
        <Line text={left} />
        <Line text={right} isRepeated />
      </div>
    );
  }
  return (
    <div class="diff-row">
      {left === undefined ? <span class="diff-none-line" /> : <Line text={left} sign="−" />}
      {right === undefined ? <span class="diff-none-line" /> : <Line text={right} sign="+" />}
    </div>
  );
}

interface LineProps {
  readonly text: string | undefined;
  readonly sign?: "−" | "+";
  /** The same as the line beside it: one of them is enough for who cannot see them beside each other. */
  readonly isRepeated?: boolean;
}

/** Longer lines are cut: base64 may be one line. */
const shownLength = 2_000;

function Line({ text = "", sign, isRepeated }: LineProps) {
  const shown = text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
  const className = sign === undefined ? "" : sign === "−" ? " gone" : " came";
  return (
    <code class={`diff-line${className}${isRepeated === true ? " repeated" : ""}`} aria-hidden={isRepeated}>
      <span class="diff-sign">{sign ?? " "}</span>
      <span class="diff-text">{printable(shown, true)}</span>
    </code>
  );
}
