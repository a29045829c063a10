import { useEffect, useRef, useState } from "preact/hooks";
import { CompareWith } from "./compare-with.tsx";
import { ReplayOf } from "../actions/replay.tsx";
import type { CallDetail, CallNote } from "../../../src/model.ts";
import { messageOf, sendJson } from "../api.ts";
import { bytesText, durationText, timeText } from "mcp-tunnel-page/format.ts";
import { useKeys } from "mcp-tunnel-page/keys.ts";
import { say } from "mcp-tunnel-page/notice.ts";
import { Folded } from "../parts/folded.tsx";
import { JsonView } from "../parts/json.tsx";
import { memberOf, readJson } from "../parts/json-text.ts";
import { Link } from "../parts/link.tsx";
import { useLive } from "../parts/live.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { ExchangeOfTexts, Plain } from "../parts/text.tsx";
import { go, route } from "../route.ts";
import { sessions } from "../store.ts";
import { Limits } from "./limits.tsx";
import { CallName, Outcome } from "../parts/outcome.tsx";
import { ResultView } from "./result.tsx";
import { Timeline } from "./timeline.tsx";
import { ToolView } from "./tool.tsx";

/** One call, live while it is open. */
export function CallPane({ callKey }: { readonly callKey: string }) {
  const isOver = useRef(false);
  const version = useRef(sessions.peek());
  // A call that is over does not change any more. A call that was just sent has no session yet.
  if (!isOver.current) version.current = sessions.value;
  const { data, problem } = useLive<CallDetail>(`calls/${encodeURIComponent(callKey)}`, version.current);
  const session = data?.session;
  useEffect(() => {
    isOver.current = data !== undefined && data.outcome !== "open";
    if (session !== undefined && route.peek().session !== session) go({ session }, "replace");
  }, [data]);
  return (
    <section class="pane call" aria-label="Call">
      <Link to={{ call: undefined }} class="back call-back">
        ‹ All calls
      </Link>
      {data === undefined ? (
        problem !== undefined && <p class="pane-word">This call is not there yet, or is not kept any more.</p>
      ) : (
        <ExchangeOfTexts.Provider value={data.exchange}>
          <Call call={data} />
        </ExchangeOfTexts.Provider>
      )}
    </section>
  );
}

function Call({ call }: { readonly call: CallDetail }) {
  const { params, result, error, tool, timeline } = call;
  return (
    <>
      <CallHead call={call} />
      <Notes notes={call.notes} />
      {error !== undefined && (
        <p class="call-error" role="note">
          <strong>
            {error.code === undefined
              ? call.outcome === "tool_error"
                ? "Tool error"
                : "Error"
              : `Error ${error.code}`}
          </strong>{" "}
          <Plain text={error.message} />
        </p>
      )}
      <Limits call={call} />
      <h3>{call.method === "tools/call" ? "Arguments" : "Parameters"}</h3>
      {params === undefined ? <p class="muted">None.</p> : <Arguments params={params} method={call.method} />}
      <h3>{call.outcome === "error" ? "Error" : "Result"}</h3>
      {result === undefined ? <NoResult call={call} /> : <ResultView text={result} />}
      {timeline.length > 0 && (
        <>
          <h3>Timeline</h3>
          <Timeline items={timeline} />
        </>
      )}
      {tool !== undefined && (
        <>
          <h3>Tool</h3>
          <ToolView tool={tool} />
        </>
      )}
      <h3>Message</h3>
      <Folded summary="The whole request as JSON" text={call.request} />
    </>
  );
}

function CallHead({ call }: { readonly call: CallDetail }) {
  const [isReplaying, setReplaying] = useState(false);
  useKeys({ r: () => setReplaying(true) });
  return (
    <header class="call-head">
      <h2>
        <CallName call={call} /> <Outcome call={call} />
      </h2>
      <p class="muted">
        <span class="mono">{timeText(call.startedAt)}</span>
        {call.durationMs !== undefined && ` · ${durationText(call.durationMs)}`}
        {` · id ${printable(JSON.stringify(call.id), true)} · ${bytesText(call.requestBytes)} sent, `}
        {`${bytesText(call.responseBytes)} got`}
        {call.replayOf !== undefined && (
          <>
            {" · "}
            <span class="badge warn">replay</span> of{" "}
            <Link to={{ view: "traffic", id: call.replayOf, session: undefined, call: undefined }}>
              {call.replayOf}
            </Link>
          </>
        )}
      </p>
      <div class="call-actions">
        <button
          type="button"
          class="button primary"
          title="Send it again, as it was or edited (r)"
          onClick={() => setReplaying(true)}
        >
          Replay or edit…
        </button>
        {call.replayOf !== undefined && call.outcome === "open" && (
          <button type="button" class="button danger" onClick={() => void cancel(call.exchange)}>
            Cancel the replay
          </button>
        )}
        <CompareWith call={call} />
        <Link
          class="button as-link"
          to={{ view: "traffic", id: call.exchange, session: undefined, call: undefined }}
        >
          Exchange {call.exchange}
        </Link>
      </div>
      {isReplaying && <ReplayOf exchange={call.exchange} onClose={() => setReplaying(false)} />}
    </header>
  );
}

async function cancel(exchange: number): Promise<void> {
  try {
    await sendJson("POST", `exchanges/${exchange}/cancel`);
  } catch (error) {
    say(messageOf(error), true);
  }
}

/** What to do about it. */
const advice: Readonly<Record<CallNote["code"], string>> = {
  header_mismatch:
    "A server of the revision 2026-07-28 refuses this with -32020. It is the client that has to be mended.",
  over_limit:
    "Send progress while it runs, if the host counts that, or give the work an id to ask for its result.",
  large_tools_list:
    "Shorten descriptions and schemas, or offer fewer tools: all of them go into each conversation.",
  unknown_session: "The server has forgotten the session, as after a restart. Let the host connect again.",
  no_answer: "Look at the log of the server: it may have ended, or closed the connection.",
  not_read: "Its bytes are in Traffic.",
};

function Notes({ notes }: { readonly notes: readonly CallNote[] }) {
  if (notes.length === 0) return null;
  return (
    <ul class="notes" aria-label="Notes">
      {notes.map((note, place) => (
        <li key={place}>
          <strong>
            <Plain text={note.text} />
          </strong>
          <p>{advice[note.code]}</p>
        </li>
      ))}
    </ul>
  );
}

/** Of a tool call: the arguments alone, as the name stands above. All else only if there is more. */
function Arguments({ params, method }: { readonly params: string; readonly method: string }) {
  const reading = readJson(params);
  const args = method === "tools/call" && "node" in reading ? memberOf(reading.node, "arguments") : undefined;
  if (args === undefined) return <JsonView text={params} label="Parameters" />;
  const meta = "node" in reading ? memberOf(reading.node, "_meta") : undefined;
  return (
    <>
      <JsonView text={args.raw} label="Arguments" />
      {meta !== undefined && <Folded summary="_meta" text={meta.raw} />}
    </>
  );
}

function NoResult({ call: { outcome, lastProgress } }: { readonly call: CallDetail }) {
  const words: Readonly<Record<CallDetail["outcome"], string>> = {
    open: "Not yet: the call is still running.",
    ok: "It is not kept any more.",
    tool_error: "It is not kept any more.",
    error: "None: the server has answered with the error above.",
    cancelled: "None: the client has taken the call back.",
    cut: "None: the answer ended before it was complete.",
  };
  return (
    <>
      <p class="muted">{words[outcome]}</p>
      {outcome === "open" && lastProgress !== undefined && <Progress of={lastProgress} />}
    </>
  );
}

/** How far a call is that runs. Without a total, nobody knows how far that is. */
function Progress({
  of: { progress, total, message },
}: {
  readonly of: NonNullable<CallDetail["lastProgress"]>;
}) {
  const value = total === undefined ? {} : { value: progress };
  return (
    <p class="progress">
      <progress aria-label="Progress" max={total ?? 1} {...value} />{" "}
      {total === undefined ? progress : `${progress} of ${total}`}
      {message !== undefined && `: ${printable(message, true)}`}
    </p>
  );
}
