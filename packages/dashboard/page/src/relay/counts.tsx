import { printable } from "mcp-tunnel-page/printable.ts";
import type { ComponentChildren } from "preact";
import type { Overview } from "../../../src/model.ts";
import { longText } from "../parts/when.ts";
import { type Count, growthOf } from "../rates.ts";
import { overview, overviews } from "../store.ts";
import { eventWords, limitWords, refusalWords } from "../words.ts";

/** Refusals by their codes. */
export function RefusalTable() {
  return (
    <CountTable
      of={({ totals }) => totals.refusals}
      head="Code"
      none="No request was refused."
      words={(code) => {
        const words = refusalWords(code);
        return words === undefined ? "by the program around the relay" : `${words.status}: ${words.text}`;
      }}
    />
  );
}

/** Limits, with what they mean and the option that sets them. */
export function LimitTable() {
  return (
    <CountTable
      of={({ totals }) => totals.limits}
      head="Limit"
      none="No limit took effect."
      words={(name) => {
        const words = limitWords(name);
        if (words === undefined) return "";
        return (
          <>
            {words.text}; <code class="option">{words.option}</code> sets it
          </>
        );
      }}
    />
  );
}

/** Events of tunnels. All are shown: none of one kind is news, too. */
export function EventTable() {
  return <CountTable of={({ totals }) => totals.events} head="Event" words={eventWords} />;
}

interface CountTableProps {
  readonly of: (overview: Overview) => Readonly<Record<string, number>>;
  readonly head: string;
  /** What to say if all are zero. Without it, those that are zero are shown, too. */
  readonly none?: string;
  readonly words: (name: string) => ComponentChildren;
}

/** Counts by their names: those of the last minutes, and all. */
function CountTable({ of, head, none, words }: CountTableProps) {
  const now = overview.value;
  if (now === undefined) return null;
  const first = overviews.value[0]!;
  const counts = Object.entries(of(now)).filter(([, count]) => none === undefined || count > 0);
  if (counts.length === 0) return <p class="muted">{none}</p>;
  if (none !== undefined) counts.sort(([, a], [, b]) => b - a);
  const countOf =
    (name: string): Count =>
    (overview) =>
      of(overview)[name] ?? 0;
  return (
    <table class="counts">
      <thead>
        <tr>
          <th scope="col">{head}</th>
          <th scope="col" class="number">
            last {longText(now.at - first.at)}
          </th>
          <th scope="col" class="number">
            since the start
          </th>
        </tr>
      </thead>
      <tbody>
        {counts.map(([name, count]) => {
          const recent = growthOf(countOf(name), first, now);
          return (
            <tr key={name}>
              <th scope="row">
                <strong class="counts-name mono">{printable(name, true)}</strong>{" "}
                <span class="muted">{words(name)}</span>
              </th>
              <td class={recent > 0 ? "number" : "number muted"}>{recent.toLocaleString("en")}</td>
              <td class="number">{count.toLocaleString("en")}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
