import type { CallDetail, HostLimit } from "../../../src/model.ts";
import { durationText } from "../format.ts";
import { printable } from "../parts/text.tsx";

/** How long it took beside how long hosts wait: a bar with a mark for each limit. */
export function Limits({ call: { durationMs, limits } }: { readonly call: CallDetail }) {
  if (limits.length === 0) return null;
  const tookMs = durationMs ?? 0;
  const longestMs = Math.max(tookMs, ...limits.map(({ limitMs }) => limitMs));
  const marks = [...new Set(limits.map(({ limitMs }) => limitMs))].sort((a, b) => a - b);
  const firstMs = marks[0]!;
  return (
    <div class="limits">
      <div class="limits-bar" aria-hidden="true">
        <div
          class={tookMs > firstMs ? "limits-took over" : "limits-took"}
          style={{ width: `${(tookMs / longestMs) * 100}%` }}
        />
        {marks.map((limitMs) => (
          <div
            key={limitMs}
            class={limitMs === longestMs ? "limits-mark last" : "limits-mark"}
            style={{ left: `${(limitMs / longestMs) * 100}%` }}
          >
            <span>{limitText(limitMs)}</span>
          </div>
        ))}
      </div>
      <ul class="limits-list">
        {limits.map((limit) => (
          <li key={`${limit.host} ${limit.limitMs}`}>
            <Limit limit={limit} isOpen={durationMs === undefined} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function Limit({
  limit: { host, limitMs, exceeded, note },
  isOpen,
}: {
  readonly limit: HostLimit;
  readonly isOpen: boolean;
}) {
  const word = exceeded ? "would have given up" : isOpen ? "waits" : "waits long enough";
  return (
    <span title={note === undefined ? undefined : printable(note)}>
      <span class={exceeded ? "bad" : "good"} aria-hidden="true">
        {exceeded ? "✕" : "✓"}
      </span>{" "}
      {printable(host, true)} <span class="muted">{limitText(limitMs)}</span>
      <span class="offscreen">: {word}</span>
      {note !== undefined && <span class="muted"> ({printable(note, true)})</span>}
    </span>
  );
}

/** Limits are round numbers: `60 s`, `5 min`. */
function limitText(ms: number): string {
  if (ms % 1_000 !== 0) return durationText(ms);
  return `${ms / 1_000} s`;
}
