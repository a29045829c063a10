import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ExchangeDetail, Field } from "../../../src/model.ts";
import { ReplayDialog } from "../actions/replay.tsx";
import { getText, messageOf, sendJson } from "../api.ts";
import { copyText } from "mcp-tunnel-page/clipboard.ts";
import { bytesText, countText, durationText, timeText } from "mcp-tunnel-page/format.ts";
import { useKeys } from "mcp-tunnel-page/keys.ts";
import { isWide } from "../media.ts";
import { say } from "mcp-tunnel-page/notice.ts";
import { BodyView } from "../parts/body.tsx";
import { Fields } from "../parts/fields.tsx";
import { Link } from "../parts/link.tsx";
import { SocketView } from "../parts/socket.tsx";
import { printable } from "mcp-tunnel-page/printable.ts";
import { ExchangeOfTexts, Plain } from "../parts/text.tsx";
import { go } from "../route.ts";
import { adviceOf } from "./advice.ts";
import { useDetail } from "./detail-data.ts";
import { focusRow } from "./list.tsx";
import { marked, markOrCompare } from "./marking.ts";
import { Status } from "./row.tsx";
import { TimingView } from "./timing.tsx";

/** All of one exchange, beside the list, or over it in a narrow window. */
export function Details({ id }: { readonly id: number }) {
  const state = useDetail(id);
  const panel = useRef<HTMLElement>(null);
  const close = (): void => {
    go({ id: undefined });
    requestAnimationFrame(focusRow);
  };
  useKeys({ Escape: close });
  // Over the list, the details are all that there is.
  useEffect(() => {
    if (!isWide.peek()) panel.current?.focus();
  }, []);
  useEffect(() => {
    panel.current?.scrollTo(0, 0);
  }, [id]);
  return (
    <section class="details" aria-label={`Exchange ${id}`} tabIndex={-1} ref={panel}>
      {/* It stays in sight: over the list it is the only way back, where no key Escape is. */}
      <div class="detail-close">
        <CloseButton onClose={close} />
      </div>
      <ExchangeOfTexts.Provider value={id}>
        {state.kind === "loaded" ? (
          <Loaded key={id} detail={state.detail} isGone={state.isGone} />
        ) : (
          <header class="detail-head">
            <h2>Exchange {id}</h2>
            {state.kind === "failed" && (
              <p class="bad" role="alert">
                {printable(state.message)}
              </p>
            )}
          </header>
        )}
      </ExchangeOfTexts.Provider>
    </section>
  );
}

function CloseButton({ onClose }: { readonly onClose: () => void }) {
  return (
    <button type="button" class="button quiet close" title="Close (Escape)" onClick={onClose}>
      <span aria-hidden="true">✕</span>
      <span class="offscreen">Close the details</span>
    </button>
  );
}

interface LoadedProps {
  readonly detail: ExchangeDetail;
  readonly isGone: boolean;
}

function Loaded({ detail, isGone }: LoadedProps) {
  const { request, response, forService, interim, socket, timing } = detail;
  return (
    <>
      <header class="detail-head">
        <h2>
          <span class="detail-method">{printable(detail.method, true)}</span>{" "}
          <span class="mono">
            <Plain text={detail.path} oneLine limit={240} />
          </span>
        </h2>
        <Facts detail={detail} />
        {detail.kind !== "refused" && <Actions detail={detail} isGone={isGone} />}
        {isGone && (
          <p class="callout warn">This exchange is kept no more. This is what it was when last seen.</p>
        )}
        <Problem detail={detail} />
        <Calls detail={detail} />
      </header>
      {detail.kind !== "refused" && (
        <>
          <Section title="Timing">
            <TimingView timing={timing} isOpen={detail.state === "open"} />
          </Section>
          <Section title="Request">
            <Head name="request" fields={request.headers} />
            {forService !== undefined && (
              <Fold name="forService" title="As the service got it">
                <p class="mono target">
                  {printable(detail.method, true)} <Plain text={forService.path} oneLine limit={2_000} />
                </p>
                <Fields fields={forService.headers} />
              </Fold>
            )}
            <BodyView body={request.body} what="request body" />
            <Trailers fields={request.trailers} />
          </Section>
          {interim.map(({ atMs, status, headers }) => (
            <Section key={`${atMs} ${status}`} title={`Interim response ${status}`}>
              <p class="muted">after {durationText(atMs)}</p>
              <Fields fields={headers} />
            </Section>
          ))}
          {response !== undefined && (
            <Section title={`Response ${response.status}`}>
              <Head name="response" fields={response.headers} />
              {socket === undefined && <BodyView body={response.body} what="response body" />}
              <Trailers fields={response.trailers} />
            </Section>
          )}
          {socket !== undefined && (
            <Section title="Messages">
              <SocketView socket={socket} />
            </Section>
          )}
        </>
      )}
    </>
  );
}

function Facts({ detail }: { readonly detail: ExchangeDetail }) {
  const { visitor, user, replayOf, durationMs, requestBytes, responseBytes, kind } = detail;
  return (
    <ul class="facts">
      <li>
        <span class="offscreen">Status </span>
        <Status entry={detail} />
      </li>
      <li>{timeText(detail.startedAt)}</li>
      {kind !== "refused" && (
        <>
          <li>{durationMs === undefined ? <span class="good">open</span> : durationText(durationMs)}</li>
          <li>
            <span aria-hidden="true">↑ </span>
            <span class="offscreen">request </span>
            {bytesText(requestBytes)}
            <span aria-hidden="true"> ↓ </span>
            <span class="offscreen">, response </span>
            {bytesText(responseBytes)}
          </li>
        </>
      )}
      {visitor !== undefined && <li>from {printable(visitor, true)}</li>}
      {user !== undefined && <li>user {printable(user, true)}</li>}
      {replayOf !== undefined && (
        <li>
          <Link to={{ id: replayOf }}>replay of {replayOf}</Link>
        </li>
      )}
      {kind !== "refused" && <li class="muted">no. {detail.id}</li>}
    </ul>
  );
}

function Actions({ detail, isGone }: { readonly detail: ExchangeDetail; readonly isGone: boolean }) {
  const [isReplaying, setReplaying] = useState(false);
  const { id, noReplay, replayOf, state } = detail;
  const first = marked.value;
  const canReplay = noReplay === undefined && !isGone;
  const copyCurl = async (): Promise<void> => {
    try {
      await copyText(await getText(`exchanges/${id}/curl`), "the curl command, with secrets hidden");
    } catch (error) {
      say(messageOf(error), true);
    }
  };
  const cancel = async (): Promise<void> => {
    try {
      await sendJson("POST", `exchanges/${id}/cancel`);
    } catch (error) {
      say(messageOf(error), true);
    }
  };
  useKeys({
    r: () => canReplay && setReplaying(true),
    c: () => markOrCompare(id),
    y: () => void copyCurl(),
  });
  const compareText = first === undefined ? "Compare…" : first === id ? "Unmark A" : `Compare with ${first}`;
  return (
    <div class="detail-actions">
      <button type="button" class="button primary" disabled={!canReplay} onClick={() => setReplaying(true)}>
        Replay or edit…
      </button>
      <button type="button" class="button" onClick={() => markOrCompare(id)}>
        {compareText}
      </button>
      <button type="button" class="button" disabled={isGone} onClick={() => void copyCurl()}>
        Copy as curl
      </button>
      {replayOf !== undefined && state === "open" && (
        <button type="button" class="button danger" onClick={() => void cancel()}>
          Cancel the replay
        </button>
      )}
      {noReplay !== undefined && <p class="muted">{printable(noReplay)}</p>}
      {isReplaying && <ReplayDialog detail={detail} onClose={() => setReplaying(false)} />}
    </div>
  );
}

/** What went wrong, and what to do. */
function Problem({ detail }: { readonly detail: ExchangeDetail }) {
  const { error, refusal, mcp, state } = detail;
  const problem = refusal ?? error;
  if (problem !== undefined) {
    const count = refusal === undefined ? "" : ` ${countText(refusal.count, "request")}.`;
    return (
      <div class={state === "cancelled" ? "callout" : "callout bad"}>
        <p>
          <strong>{refusal === undefined ? "" : "Refused by the relay: "}</strong>
          {printable(problem.message)}
          {count !== "" && `.${count}`} <span class="muted mono">{printable(problem.code, true)}</span>
        </p>
        <p>{adviceOf(problem.code)}</p>
      </div>
    );
  }
  if (mcp?.error === undefined) return null;
  return (
    <p class="callout bad">
      <strong>{mcp.error.code === undefined ? "Tool error" : `JSON-RPC error ${mcp.error.code}`}: </strong>
      <Plain text={mcp.error.message} />
    </p>
  );
}

function Calls({ detail }: { readonly detail: ExchangeDetail }) {
  const { calls, mcp } = detail;
  if (calls.length === 0) return null;
  const shown = calls.slice(0, 20);
  return (
    <p class="calls">
      <span class="muted">MCP </span>
      {mcp !== undefined && (
        <>
          <span class="mcp">{printable(mcp.method, true)}</span>{" "}
          {mcp.name !== undefined && `${printable(mcp.name, true)} `}
        </>
      )}
      {shown.map((call) => (
        <Link key={call} to={{ view: "mcp", call, session: mcp?.session }}>
          {calls.length === 1 ? "show the call" : `call ${call}`}
        </Link>
      ))}
      {calls.length > shown.length && <span class="muted">and {calls.length - shown.length} more</span>}
    </p>
  );
}

function Section({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <section class="detail-section" aria-label={title}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

/** Which parts are folded out. They stay so for the next exchange that is looked at. */
const foldedOut = new Set<string>();

interface FoldProps {
  readonly name: string;
  readonly title: string;
  readonly children: ComponentChildren;
}

function Fold({ name, title, children }: FoldProps) {
  return (
    <details
      open={foldedOut.has(name)}
      onToggle={({ currentTarget }) => {
        if (currentTarget.open) foldedOut.add(name);
        else foldedOut.delete(name);
      }}
    >
      <summary>{title}</summary>
      {children}
    </details>
  );
}

function Head({ name, fields }: { readonly name: string; readonly fields: readonly Field[] }) {
  return (
    <Fold name={name} title={`Headers (${fields.length})`}>
      <Fields fields={fields} />
    </Fold>
  );
}

function Trailers({ fields }: { readonly fields: readonly Field[] }) {
  if (fields.length === 0) return null;
  return (
    <>
      <h4>Trailers</h4>
      <Fields fields={fields} />
    </>
  );
}
