import { useEffect, useState } from "preact/hooks";
import type { CallDetail, ExchangeDetail, ReplayAnswer, ReplayRequest } from "../../../src/model.ts";
import { ApiProblem, messageOf, sendJson } from "../api.ts";
import { say } from "mcp-tunnel-page/notice.ts";
import { Dialog } from "mcp-tunnel-page/dialog.tsx";
import { useLive } from "../parts/live.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { Plain } from "../parts/text.tsx";
import { go, route } from "../route.ts";
import { state } from "../store.ts";
import { ArgumentsForm } from "./arguments-form.tsx";
import { RawForm } from "./raw-form.tsx";
import { type FormField, fieldsOf } from "./schema.ts";
import { memberOf, readJson } from "../parts/json-text.ts";
import "./actions.css";

export interface ReplayProps {
  readonly detail: ExchangeDetail;
  readonly onClose: () => void;
}

/** Sends a request again, as it was or edited. */
export function ReplayDialog({ detail, onClose }: ReplayProps) {
  const [only, ...others] = detail.calls;
  // A batch has several calls, and is edited as a whole.
  const callKey = others.length === 0 ? only : undefined;
  const { data, problem } = useLive<CallDetail>(
    callKey === undefined ? undefined : `calls/${encodeURIComponent(callKey)}`,
    callKey,
  );
  const isThere = callKey === undefined || data !== undefined || problem !== undefined;
  const [isEdited, setEdited] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const leave = (): void => {
    if (isEdited) setAsking(true);
    else onClose();
  };
  const what = data?.name ?? detail.mcp?.name ?? detail.mcp?.method ?? `${detail.method} ${detail.path}`;
  return (
    <Dialog title={`Send again: ${printable(shortened(what), true)}`} onClose={leave}>
      {isAsking && <LeaveDialog onLeave={onClose} onStay={() => setAsking(false)} />}
      {detail.noReplay !== undefined ? (
        <p>
          <Plain text={detail.noReplay} />
        </p>
      ) : (
        isThere && (
          <Sending
            detail={detail}
            call={data}
            onEdit={() => setEdited(true)}
            onLeave={leave}
            onClose={onClose}
          />
        )
      )}
    </Dialog>
  );
}

function LeaveDialog({ onLeave, onStay }: { readonly onLeave: () => void; readonly onStay: () => void }) {
  return (
    <Dialog title="Discard what you have changed?" onClose={onStay}>
      <p>It has not been sent.</p>
      <div class="dialog-actions">
        <button type="button" class="button danger" onClick={onLeave}>
          Discard
        </button>
        <button type="button" class="button" onClick={onStay}>
          Go on editing
        </button>
      </div>
    </Dialog>
  );
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** Loads the exchange of a call first. */
export function ReplayOf({ exchange, onClose }: { readonly exchange: number; readonly onClose: () => void }) {
  const { data, problem } = useLive<ExchangeDetail>(`exchanges/${exchange}`, exchange);
  useEffect(() => {
    if (problem === undefined) return;
    say(problem, true);
    onClose();
  }, [problem]);
  return data === undefined ? null : <ReplayDialog detail={data} onClose={onClose} />;
}

type Mode = "same" | "arguments" | "raw";

interface SendingProps {
  readonly detail: ExchangeDetail;
  readonly call: CallDetail | undefined;
  /** Called when anything was typed or chosen in a form. */
  readonly onEdit: () => void;
  readonly onLeave: () => void;
  /** Called when it was sent. */
  readonly onClose: () => void;
}

function Sending({ detail, call, onEdit, onLeave, onClose }: SendingProps) {
  const fields = call === undefined ? undefined : argumentFields(call);
  const [mode, setMode] = useState<Mode>("same");
  // A form that was left for another one keeps what was typed.
  const [opened, setOpened] = useState<ReadonlySet<Mode>>(new Set());
  const [warning, setWarning] = useState(detail.replayWarning);
  const [isConfirmed, setConfirmed] = useState(false);
  const [isSending, setSending] = useState(false);
  const [problem, setProblem] = useState<string | undefined>(undefined);

  const send = async (edit: ReplayRequest["edit"]): Promise<void> => {
    setSending(true);
    setProblem(undefined);
    try {
      const request: ReplayRequest = {
        ...(isConfirmed && { confirmed: true }),
        ...(edit !== undefined && { edit }),
      };
      const { id } = await sendJson<ReplayAnswer>("POST", `exchanges/${detail.id}/replay`, request);
      onClose();
      show(id, detail);
    } catch (error) {
      // What is known of the tool may have changed since the exchange was loaded.
      if (error instanceof ApiProblem && error.code === "needs_confirmation") setWarning(error.message);
      else setProblem(messageOf(error));
      setSending(false);
    }
  };

  const modes: readonly (readonly [Mode, string])[] = [
    ["same", "As it was"],
    ...(fields === undefined ? [] : [["arguments", "Edit arguments"] as const]),
    ["raw", "Edit raw"],
  ];
  const end = (
    <>
      {warning !== undefined && (
        <div class="replay-warning">
          <p>
            <Plain text={warning} />
          </p>
          <label>
            <input
              type="checkbox"
              checked={isConfirmed}
              onChange={(event) => setConfirmed(event.currentTarget.checked)}
              onInput={(event) => event.stopPropagation()}
            />{" "}
            Send it all the same
          </label>
        </div>
      )}
      {problem !== undefined && (
        <p class="bad" role="alert">
          <Plain text={problem} />
        </p>
      )}
      <div class="dialog-actions">
        <button
          type="submit"
          class="button primary"
          disabled={isSending || (warning !== undefined && !isConfirmed)}
        >
          {mode === "same" ? "Send again" : "Send edited"}
        </button>
        <button type="button" class="button" onClick={onLeave}>
          Cancel
        </button>
      </div>
    </>
  );
  return (
    <>
      <p class="muted">
        It goes to{" "}
        <strong class="replay-to">{printable(state.value?.service ?? "the local service", true)}</strong> and
        nowhere else, and is marked as a replay.
        {call?.sessionInfo.era === "legacy" && " A session of its own is opened for it, and closed after it."}
      </p>
      <fieldset class="modes">
        <legend class="offscreen">What is sent</legend>
        {modes.map(([name, text]) => (
          <label key={name} class={name === mode ? "mode chosen" : "mode"}>
            <input
              type="radio"
              name="replay-mode"
              class="offscreen"
              checked={name === mode}
              onChange={() => {
                setMode(name);
                setOpened(new Set(opened).add(name));
              }}
            />
            {text}
          </label>
        ))}
      </fieldset>
      {mode === "same" && (
        <form
          class="replay-form"
          onSubmit={(event) => {
            event.preventDefault();
            void send(undefined);
          }}
        >
          {end}
        </form>
      )}
      {opened.has("arguments") && call !== undefined && fields !== undefined && (
        <div hidden={mode !== "arguments"} onInput={onEdit}>
          <ArgumentsForm call={call} fields={fields} onSend={(body) => void send({ body })}>
            {mode === "arguments" && end}
          </ArgumentsForm>
        </div>
      )}
      {opened.has("raw") && (
        <div hidden={mode !== "raw"} onInput={onEdit}>
          <RawForm detail={detail} call={call} onSend={(edit) => void send(edit)}>
            {mode === "raw" && end}
          </RawForm>
        </div>
      )}
    </>
  );
}

/** Undefined: the call is none of a tool whose schema is known, or has arguments that are no object. */
function argumentFields({ method, params, tool }: CallDetail): readonly FormField[] | undefined {
  if (method !== "tools/call" || tool === undefined) return undefined;
  const reading = readJson(params ?? "{}");
  if (!("node" in reading)) return undefined;
  const args = memberOf(reading.node, "arguments");
  return fieldsOf(tool.inputSchema, args);
}

/** The new exchange, live: as a call for who looks at calls. */
function show(id: number, { calls }: ExchangeDetail): void {
  if (route.peek().view === "mcp" && calls.length > 0) go({ session: undefined, call: `${id}.0` });
  else go({ view: "traffic", id, compare: undefined });
}
