import type { CallDetail, SessionDetail } from "../../../src/model.ts";
import { durationText, timeText } from "mcp-tunnel-page/format.ts";
import { useLive } from "../parts/live.ts";
import { go } from "../route.ts";
import { outcomes } from "../parts/outcome.tsx";

/** Calls that are offered: the newest. */
const maxOffered = 50;

/** Chooses another call of the same kind in the session, to see both side by side. */
export function CompareWith({ call }: { readonly call: CallDetail }) {
  const { data } = useLive<SessionDetail>(`sessions/${encodeURIComponent(call.session)}`, call.key);
  const others = (data?.calls ?? [])
    .filter((other) => other.method === call.method && other.name === call.name)
    .filter((other) => other.exchange !== call.exchange)
    .slice(0, maxOffered);
  const offered = call.replayOf === undefined || others.some(({ exchange }) => exchange === call.replayOf);
  return (
    <select
      class="compare-with"
      aria-label="Compare with another call"
      disabled={others.length === 0 && offered}
      value=""
      onChange={({ currentTarget: { value } }) => {
        if (value !== "") go({ compare: [Number(value), call.exchange] });
      }}
    >
      <option value="">Compare with…</option>
      {!offered && <option value={call.replayOf}>{call.replayOf}: the call that this repeats</option>}
      {others.map((other) => (
        <option key={other.key} value={other.exchange}>
          {`${other.exchange}: ${timeText(other.startedAt).slice(0, 8)}, ${outcomes[other.outcome][1]}` +
            (other.durationMs === undefined ? "" : `, ${durationText(other.durationMs)}`)}
        </option>
      ))}
    </select>
  );
}
