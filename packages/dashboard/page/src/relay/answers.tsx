import type { Outcome, StatusClass } from "../../../src/model.ts";
import { rateText } from "../parts/numbers.ts";
import { allRequests, ofClass, rateOf } from "../rates.ts";
import { overview, overviews } from "../store.ts";

/** In the order in which they are shown, each with the color of its bar. */
const classes: readonly (readonly [StatusClass, words: string, tone: string])[] = [
  ["2xx", "answered", "good"],
  ["3xx", "led elsewhere", "muted"],
  ["4xx", "refused, or not found", "warn"],
  ["5xx", "failed", "bad"],
  ["1xx", "upgraded: WebSockets", "muted"],
  ["none", "nothing was sent", "bad"],
];

const outcomes: readonly (readonly [Outcome, words: string])[] = [
  ["completed", "the visitor got a whole answer from the tunnel"],
  ["refused", "the relay answered in the tunnel's place"],
  ["cancelled", "the visitor left before the answer was whole"],
  ["cut", "the answer broke off"],
];

/** Requests that are over, by the class of their status and by how they ended. */
export function AnswerTable() {
  const now = overview.value;
  if (now === undefined) return null;
  const all = overviews.value;
  const sum = allRequests(now);
  return (
    <table class="counts">
      <thead>
        <tr>
          <th scope="col">Requests</th>
          <th scope="col" class="number">
            a second
          </th>
          <th scope="col" class="number">
            since the start
          </th>
        </tr>
      </thead>
      <tbody>
        {classes.map(([name, words, tone]) => {
          const count = now.totals.requests[name];
          return (
            <tr key={name}>
              <th scope="row">
                <strong class="counts-name mono">{name}</strong> <span class="muted">{words}</span>
                <Bar share={sum === 0 ? 0 : count / sum} tone={tone} />
              </th>
              <td class="number">{rateText(rateOf(ofClass(name), all) ?? 0)}</td>
              <td class="number">{count.toLocaleString("en")}</td>
            </tr>
          );
        })}
      </tbody>
      <tbody>
        {outcomes.map(([name, words]) => (
          <tr key={name}>
            <th scope="row">
              <strong class="counts-name">{name}</strong> <span class="muted">{words}</span>
            </th>
            <td class="number">{rateText(rateOf(({ totals }) => totals.outcomes[name], all) ?? 0)}</td>
            <td class="number">{now.totals.outcomes[name].toLocaleString("en")}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Its share of the whole. The number beside it says the same. */
function Bar({ share, tone }: { readonly share: number; readonly tone: string }) {
  return (
    <svg class={`bar ${tone}`} viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
      <rect class="bar-back" width="100" height="1" />
      <rect class="bar-share" width={Math.round(share * 1_000) / 10} height="1" />
    </svg>
  );
}
