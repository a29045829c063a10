import type { ExchangeSummary } from "../../../src/model.ts";
import { bytesText, durationText, timeText } from "mcp-tunnel-page/format.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { tunnels } from "../store.ts";
import { marked } from "./marking.ts";

/** No window is as wide. */
const maxPathLength = 500;

export interface RowProps {
  readonly entry: ExchangeSummary;
  /** From the top of the list, from 0. */
  readonly index: number;
  readonly top: number;
  /** The row that has, or would get, the focus. */
  readonly isActive: boolean;
  /** Its details are shown. */
  readonly isOpen: boolean;
  readonly onOpen: (id: number) => void;
  readonly onFocus: (id: number) => void;
}

export function Row({ entry, index, top, isActive, isOpen, onOpen, onFocus }: RowProps) {
  const { id, method, mcp } = entry;
  const path = withoutMarks(printable(entry.path.slice(0, maxPathLength), true));
  const time = timeText(entry.startedAt);
  return (
    <div
      role="row"
      class={isOpen ? "row open" : "row"}
      data-id={id}
      // The header is the first row.
      aria-rowindex={index + 2}
      aria-selected={isOpen}
      tabIndex={isActive ? 0 : -1}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => onOpen(id)}
      onFocus={() => onFocus(id)}
    >
      <span role="gridcell" class="cell time">
        {time.slice(0, 8)}
        <span class="ms">{time.slice(8)}</span>
      </span>
      <span role="gridcell" class="cell method">
        {printable(method, true)}
      </span>
      <span role="gridcell" class="cell path">
        <span class="cut" title={path}>
          {path}
        </span>
        <Marks entry={entry} />
      </span>
      <span role="gridcell" class="cell state">
        <Status entry={entry} />
      </span>
      <span role="gridcell" class="cell mcp-cell">
        {mcp !== undefined && <McpSubject mcp={mcp} />}
      </span>
      <span role="gridcell" class="cell number duration">
        {entry.durationMs !== undefined && durationText(entry.durationMs)}
      </span>
      <span role="gridcell" class="cell number size">
        {entry.kind !== "refused" && bytesText(entry.requestBytes + entry.responseBytes)}
      </span>
    </div>
  );
}

/** The details have a button for each hidden value. A row has no place for its mark. */
function withoutMarks(text: string): string {
  return text.replaceAll(/\[hidden:[0-9a-f]{8}\]/g, "[hidden]");
}

/** The status, with a color and a word for what is no plain answer. */
export function Status({ entry }: { readonly entry: ExchangeSummary }) {
  const { status, state, kind } = entry;
  if (state === "open" && status === undefined) return <span class="pulse muted">open</span>;
  if (state === "failed" || kind === "refused") {
    return (
      <span class="bad">
        {status ?? "cut"}
        <span class="offscreen">{kind === "refused" ? " refused by the relay" : " failed"}</span>
      </span>
    );
  }
  if (status === undefined) return <span class="muted">none</span>;
  return <span class={classOf(status)}>{status}</span>;
}

function classOf(status: number): string {
  if (status >= 500) return "bad";
  if (status >= 400) return "warn";
  return status >= 300 || status < 200 ? "muted" : "good";
}

function McpSubject({ mcp }: { readonly mcp: NonNullable<ExchangeSummary["mcp"]> }) {
  const method = printable(mcp.method, true);
  const name = mcp.name === undefined ? "" : printable(mcp.name, true);
  const error = mcp.error === undefined ? "" : printable(mcp.error.message, true);
  return (
    <span class="cut" title={[method, name, error].filter((text) => text !== "").join(" ")}>
      {mcp.error !== undefined && (
        <span class="bad">
          <span aria-hidden="true">✕ </span>
          <span class="offscreen">error: </span>
        </span>
      )}
      <span class="mcp">{method}</span>
      {name !== "" && ` ${name}`}
      {mcp.batch !== undefined && <span class="muted"> +{mcp.batch - 1}</span>}
    </span>
  );
}

function Marks({ entry }: { readonly entry: ExchangeSummary }) {
  const { id, kind, state, replayOf, refusal, user, tunnel } = entry;
  return (
    <>
      {tunnel !== undefined && tunnels.value.length > 0 && (
        <span class="badge cut tunnel">{printable(tunnel, true)}</span>
      )}
      {marked.value === id && <span class="badge mcp">A</span>}
      {replayOf !== undefined && (
        <span class="badge mcp">
          replay<span class="wider"> of {replayOf}</span>
        </span>
      )}
      {refusal !== undefined && (
        <span class="badge bad">refused{refusal.count > 1 && ` ×${refusal.count.toLocaleString("en")}`}</span>
      )}
      {kind === "websocket" && <span class="badge">WebSocket</span>}
      {kind === "stream" && <span class="badge">events</span>}
      {state === "open" && kind !== "http" && <span class="badge good">open</span>}
      {state === "cancelled" && <span class="badge">visitor left</span>}
      {user !== undefined && <span class="badge cut user">{printable(user, true)}</span>}
    </>
  );
}
