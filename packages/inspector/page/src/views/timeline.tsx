import type { TimelineItem } from "../../../src/model.ts";
import { durationText } from "mcp-tunnel-page/format.ts";
import { Folded } from "../parts/folded.tsx";
import { printable } from "mcp-tunnel-page/printable.ts";
import { Plain } from "../parts/text.tsx";

type Kind = TimelineItem["kind"];

const kinds: Readonly<Record<Kind, readonly [className: string, text: string]>> = {
  request: ["mcp", "call"],
  progress: ["", "progress"],
  log: ["", "log"],
  server_request: ["warn", "server asks"],
  client_answer: ["warn", "client answers"],
  notification: ["", "notification"],
  cancel: ["bad", "cancel"],
  result: ["good", "result"],
  error: ["bad", "error"],
  end: ["", "end"],
};

export interface TimelineProps {
  readonly items: readonly TimelineItem[];
}

/** Items that are shown at once: a tool may tell of its progress thousands of times. */
const shownAtOnce = 200;

/** What the two sides said during a call, one below the other. */
export function Timeline({ items }: TimelineProps) {
  const shown = items.length > shownAtOnce ? ends(items) : items;
  return (
    <ol class="timeline">
      {shown.map((item, place) =>
        typeof item === "number" ? (
          <li key="left-out" class="muted timeline-gap">
            {item.toLocaleString("en")} between them are not shown.
          </li>
        ) : (
          <li key={place} class={`from-${item.from}`}>
            <Item item={item} />
          </li>
        ),
      )}
    </ol>
  );
}

/** The first and the last are what a person looks for. */
function ends(items: readonly TimelineItem[]): readonly (TimelineItem | number)[] {
  const half = shownAtOnce / 2;
  return [...items.slice(0, half), items.length - shownAtOnce, ...items.slice(-half)];
}

function Item({ item }: { readonly item: TimelineItem }) {
  const [className, word] = kinds[item.kind];
  return (
    <>
      <time class="timeline-at mono muted">+{item.atMs <= 0 ? "0 ms" : durationText(item.atMs)}</time>
      <span class="timeline-from" title={item.from === "client" ? "From the client" : "From the server"}>
        <span aria-hidden="true">{item.from === "client" ? "→" : "←"}</span>
        <span class="offscreen">from the {item.from}: </span>
      </span>
      <div class="timeline-what">
        <p>
          <span class={`badge ${className}`}>{word}</span>{" "}
          {item.method !== undefined && <span class="mono muted">{printable(item.method, true)} </span>}
          <span class="timeline-text">
            <Plain text={item.text} />
          </span>
        </p>
        {item.message !== undefined && <Folded summary="Message" text={item.message} />}
      </div>
    </>
  );
}
