import { useState } from "preact/hooks";
import type { CallOutcome, McpCall, SessionDetail } from "../../../src/model.ts";
import { countText, durationText, timeText } from "mcp-tunnel-page/format.ts";
import { useKeys } from "mcp-tunnel-page/keys.ts";
import { Link } from "../parts/link.tsx";
import { useLive } from "../parts/live.ts";
import { moveAmongLinks } from "mcp-tunnel-page/rows.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { type CallFilters, go, route } from "../route.ts";
import { sessions } from "../store.ts";
import { About } from "./about.tsx";
import { CallName, Outcome, outcomes } from "../parts/outcome.tsx";
import { clientText, Era, SessionState } from "./sessions.tsx";

export interface SessionProps {
  readonly sessionKey: string;
  readonly callKey: string | undefined;
}

/** The calls of a session. Beside them, if no call is shown, what is known of the session. */
export function SessionPane({ sessionKey, callKey }: SessionProps) {
  const live = sessions.value.find(({ key }) => key === sessionKey);
  const { data, problem } = useLive<SessionDetail>(`sessions/${encodeURIComponent(sessionKey)}`, live);
  const session = live ?? data?.session;
  return (
    <>
      <section class="pane calls" aria-label="Calls">
        <header class="pane-head">
          <Link to={{ session: undefined, call: undefined }} class="back">
            ‹ All sessions
          </Link>
          <h2 class="cut">{session === undefined ? sessionKey : clientText(session)}</h2>
          {session !== undefined && (
            <p class="calls-facts">
              <Era session={session} /> <SessionState session={session} />
              {callKey === undefined ? (
                // Beside the calls there may be no room for it.
                <button type="button" class="link about-jump" onClick={showAbout}>
                  About this session
                </button>
              ) : (
                <Link to={{ call: undefined }}>About this session</Link>
              )}
              <Link
                to={{
                  view: "traffic",
                  filters: { session: sessionKey },
                  session: undefined,
                  call: undefined,
                }}
              >
                In Traffic
              </Link>
            </p>
          )}
        </header>
        {problem !== undefined && data === undefined && <p class="pane-word">{problem}</p>}
        {data !== undefined && <Calls calls={data.calls} callKey={callKey} />}
      </section>
      {callKey === undefined && session !== undefined && (
        <About session={session} tools={data?.tools ?? []} calls={data?.calls ?? []} />
      )}
    </>
  );
}

const shownAtOnce = 200;

function Calls({
  calls,
  callKey,
}: {
  readonly calls: readonly McpCall[];
  readonly callKey: string | undefined;
}) {
  const [shown, setShown] = useState(shownAtOnce);
  const { text = "", tool = "", outcome = "" } = route.value.callFilters;
  const names = [...new Set(calls.map(({ name, method }) => name ?? method))].sort();
  const wanted = text.toLowerCase();
  const matching = calls.filter(
    (call) =>
      (tool === "" || (call.name ?? call.method) === tool) &&
      (outcome === "" || call.outcome === outcome) &&
      (wanted === "" || textOfCall(call).includes(wanted)),
  );
  const current = matching.findIndex(({ key }) => key === callKey);
  const step = (by: number): void => {
    // Keys may come faster than what is shown.
    const { call } = route.peek();
    const at = matching.findIndex(({ key }) => key === call);
    const next = matching[at === -1 ? 0 : at + by];
    if (next !== undefined) go({ call: next.key }, call === undefined ? "push" : "replace");
  };
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    "/": () => document.querySelector<HTMLElement>(".calls-text")?.focus(),
  });
  const change = (by: CallFilters): void => {
    go({ callFilters: { ...route.peek().callFilters, ...by } }, "replace");
    setShown(shownAtOnce);
  };
  return (
    <>
      <search class="calls-filters">
        <input
          class="field calls-text"
          type="search"
          placeholder="Find a call"
          aria-label="Find in methods, names, errors and notes"
          value={text}
          onInput={(event) => change({ text: event.currentTarget.value })}
        />
        <select
          aria-label="Tool or method"
          value={tool}
          onChange={(event) => change({ tool: event.currentTarget.value })}
        >
          <option value="">All tools</option>
          {tool !== "" && !names.includes(tool) && <option value={tool}>{printable(tool, true)}</option>}
          {names.map((name) => (
            <option key={name} value={name}>
              {printable(name, true)}
            </option>
          ))}
        </select>
        <select
          aria-label="Outcome"
          value={outcome}
          onChange={(event) => change({ outcome: event.currentTarget.value })}
        >
          <option value="">All outcomes</option>
          {(Object.keys(outcomes) as CallOutcome[]).map((name) => (
            <option key={name} value={name}>
              {outcomes[name][1]}
            </option>
          ))}
        </select>
      </search>
      <p class="offscreen" role="status">
        {countText(matching.length, "call")}
      </p>
      {matching.length === 0 && (
        <p class="pane-word muted">
          {calls.length === 0 ? "No call of this session is kept." : "No call matches."}{" "}
          {calls.length > 0 && (
            <button type="button" class="link" onClick={() => change({ text: "", tool: "", outcome: "" })}>
              Show all
            </button>
          )}
        </p>
      )}
      <ul class="call-list" onKeyDown={moveAmongLinks}>
        {matching.slice(0, shown).map((call, place) => (
          <li key={call.key}>
            <CallRow
              call={call}
              isCurrent={call.key === callKey}
              isReached={current === -1 ? place === 0 : place === current}
            />
          </li>
        ))}
      </ul>
      {matching.length > shown && (
        <button type="button" class="button calls-more" onClick={() => setShown(shown + shownAtOnce)}>
          {countText(matching.length - shown, "older call")}
        </button>
      )}
    </>
  );
}

function textOfCall({ method, name, error, notes, id }: McpCall): string {
  const parts = [method, name ?? "", String(id), error?.message ?? "", ...notes.map((note) => note.text)];
  return parts.join("\n").toLowerCase();
}

interface CallRowProps {
  readonly call: McpCall;
  readonly isCurrent: boolean;
  readonly isReached: boolean;
}

function CallRow({ call, isCurrent, isReached }: CallRowProps) {
  const { counts, notes } = call;
  const extras = [
    counts.progress > 0 ? `${counts.progress} progress` : "",
    counts.logs > 0 ? countText(counts.logs, "log") : "",
    counts.requests > 0 ? countText(counts.requests, "server request") : "",
  ].filter((text) => text !== "");
  return (
    <Link class="call-row" to={{ call: call.key }} isCurrent={isCurrent} row={{ isReached }}>
      <span class="call-what cut">
        <CallName call={call} />
      </span>
      <span class="call-took mono">
        {call.durationMs === undefined ? <span class="muted">…</span> : durationText(call.durationMs)}
      </span>
      <span class="call-more cut muted">
        <span class="mono">{timeText(call.startedAt).slice(0, 8)}</span>
        {call.replayOf !== undefined && ` · replay of ${call.replayOf}`}
        {notes.length > 0 && <span class="warn"> · ⚠ {countText(notes.length, "note")}</span>}
        {extras.length > 0 && ` · ${extras.join(", ")}`}
      </span>
      <span class="call-outcome">
        <Outcome call={call} />
      </span>
    </Link>
  );
}

function showAbout(): void {
  const about = document.querySelector<HTMLElement>(".about");
  about?.scrollIntoView();
  about?.focus();
}
