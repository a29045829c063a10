import { useEffect, useState } from "preact/hooks";
import type { CallDetail, HostLimit } from "../../../src/model.ts";
import { durationText } from "mcp-tunnel-page/format.ts";
import { printable } from "mcp-tunnel-page/printable.ts";

/** How long it took beside how long hosts wait: a bar with a mark for each limit. */
export function Limits({ call: { durationMs, limits, startedAt } }: { readonly call: CallDetail }) {
  const now = useNow(durationMs === undefined);
  if (limits.length === 0) return null;
  const tookMs = durationMs ?? Math.max(0, now - startedAt);
  const longestMs = Math.max(tookMs, ...limits.map(({ limitMs }) => limitMs));
  const marks = [...new Set(limits.map(({ limitMs }) => limitMs))].sort((a, b) => a - b);
  const firstMs = marks[0]!;
  return (
    <div class="limits">
      {durationMs === undefined && <p class="limits-running">Running for {durationText(tookMs)}</p>}
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
            <Limit limit={limit} tookMs={tookMs} isOpen={durationMs === undefined} />
          </li>
        ))}
      </ul>
      <details class="folded">
        <summary>How sure these limits are</summary>
        <dl class="about-facts">
          {limits.map(({ host, limitMs, note }) => (
            <div key={`${host} ${limitMs}`}>
              <dt>{printable(host, true)}</dt>
              <dd>{note === undefined ? "documented" : printable(note, true)}</dd>
            </div>
          ))}
        </dl>
      </details>
    </div>
  );
}

/** The time, each second anew while it is wanted. */
function useNow(isWanted: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!isWanted) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [isWanted]);
  return now;
}

interface LimitProps {
  readonly limit: HostLimit;
  readonly tookMs: number;
  readonly isOpen: boolean;
}

function Limit({ limit: { host, limitMs }, tookMs, isOpen }: LimitProps) {
  const exceeded = tookMs > limitMs;
  const word = exceeded ? "would have given up" : isOpen ? "waits" : "waits long enough";
  return (
    <>
      <span class={exceeded ? "bad" : "good"} aria-hidden="true">
        {exceeded ? "✕" : "✓"}
      </span>{" "}
      {printable(host, true)} <span class="muted">{limitText(limitMs)}</span>
      <span class="offscreen">: {word}</span>
    </>
  );
}

/** Limits are round numbers: `60 s`, `5 min`. */
function limitText(ms: number): string {
  if (ms % 1_000 !== 0) return durationText(ms);
  return `${ms / 1_000} s`;
}
