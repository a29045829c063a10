import { useState } from "preact/hooks";
import type { Body, CallDetail, ExchangeDetail } from "../../../src/model.ts";
import { bytesText, durationText, timeText } from "mcp-tunnel-page/format.ts";
import { useKeys } from "mcp-tunnel-page/keys.ts";
import { formatJson, memberOf, readJson } from "../parts/json-text.ts";
import { type Loaded, useLive } from "../parts/live.ts";
import { Link } from "../parts/link.tsx";
import { printable } from "mcp-tunnel-page/printable.ts";
import { entries } from "../store.ts";
import { outcomes } from "../parts/outcome.tsx";
import { Diff } from "./diff.tsx";
import "./actions.css";

export interface CompareProps {
  /** The ids of two exchanges. */
  readonly a: number;
  readonly b: number;
  readonly onClose: () => void;
}

interface Side {
  readonly exchange: ExchangeDetail;
  readonly call: CallDetail | undefined;
}

/** Two exchanges side by side; at a narrow window one below the other. */
export function ComparePage({ a, b, onClose }: CompareProps) {
  useKeys({ Escape: onClose });
  const left = useSide(a);
  const right = useSide(b);
  return (
    <main class="page compare">
      <header class="compare-head">
        <h2>Compare</h2>
        <Link to={{ compare: [b, a] }} class="button as-link">
          Swap
        </Link>
        <button type="button" class="button" onClick={onClose}>
          Close
        </button>
      </header>
      {[left, right].map(
        ({ problem }, place) =>
          problem !== undefined && (
            <p key={place} class="bad" role="alert">
              Exchange {place === 0 ? a : b}: {problem}
            </p>
          ),
      )}
      {left.data !== undefined && right.data !== undefined && <Sides left={left.data} right={right.data} />}
    </main>
  );
}

/** The exchange, and the call in it if there is one alone. */
function useSide(id: number): Loaded<Side> {
  const summary = entries.value.find((entry) => entry.id === id);
  const { data: exchange, problem } = useLive<ExchangeDetail>(`exchanges/${id}`, summary);
  const key = exchange?.calls.length === 1 ? exchange.calls[0] : undefined;
  const call = useLive<CallDetail>(
    key === undefined ? undefined : `calls/${encodeURIComponent(key)}`,
    exchange,
  );
  const isThere =
    exchange !== undefined && (key === undefined || call.data !== undefined || call.problem !== undefined);
  return { problem, data: isThere ? { exchange, call: call.data } : undefined };
}

function Sides({ left, right }: { readonly left: Side; readonly right: Side }) {
  const [asCalls, setAsCalls] = useState(true);
  const calls =
    left.call !== undefined && right.call !== undefined ? ([left.call, right.call] as const) : undefined;
  return (
    <>
      <Facts left={left} right={right} />
      {calls !== undefined && (
        <label class="compare-choice">
          <input type="checkbox" checked={!asCalls} onChange={() => setAsCalls(!asCalls)} /> Whole HTTP
          messages
        </label>
      )}
      {calls !== undefined && asCalls ? (
        <>
          <Diff title="Arguments" left={paramsText(calls[0])} right={paramsText(calls[1])} />
          <Diff title="Result" left={resultText(calls[0])} right={resultText(calls[1])} />
        </>
      ) : (
        <>
          <Diff title="Request" left={requestText(left.exchange)} right={requestText(right.exchange)} />
          <Diff title="Answer" left={answerText(left.exchange)} right={answerText(right.exchange)} />
        </>
      )}
    </>
  );
}

function paramsText({ params, method }: CallDetail): string {
  const reading = readJson(params ?? "");
  if (!("node" in reading)) return params ?? "";
  const args = method === "tools/call" ? memberOf(reading.node, "arguments") : undefined;
  return formatJson(args ?? reading.node);
}

function resultText({ result, error }: CallDetail): string {
  if (result !== undefined) return prettyText(result);
  return error === undefined ? "" : `Error ${error.code ?? ""}: ${error.message}`;
}

function requestText({ method, path, request, forService }: ExchangeDetail): string {
  const head = forService ?? { path, headers: request.headers };
  return [`${method} ${head.path}`, ...headerLines(head.headers), "", bodyText(request.body)].join("\n");
}

function answerText({ response }: ExchangeDetail): string {
  if (response === undefined) return "";
  return [String(response.status), ...headerLines(response.headers), "", bodyText(response.body)].join("\n");
}

function headerLines(headers: ExchangeDetail["request"]["headers"]): string[] {
  return headers.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
}

function bodyText(body: Body): string {
  switch (body.form) {
    case "none":
      return "";
    case "text":
      return body.json ? prettyText(body.text) : body.text;
    case "binary":
      return `(binary, ${bytesText(body.bytes)})\n${body.base64.replaceAll(/.{76}/g, "$&\n")}`;
    case "events":
      return body.events.map(({ event, data }) => `${event || "message"}: ${prettyText(data)}`).join("\n");
    case "unread":
      return `(${body.why}, ${bytesText(body.bytes)})`;
  }
}

function prettyText(text: string): string {
  const reading = readJson(text);
  return "node" in reading ? formatJson(reading.node) : text;
}

function Facts({ left, right }: { readonly left: Side; readonly right: Side }) {
  const rows: readonly (readonly [string, (side: Side) => string])[] = [
    ["When", ({ exchange }) => timeText(exchange.startedAt)],
    ["Method", ({ exchange, call }) => call?.method ?? exchange.method],
    ["Of", ({ exchange, call }) => call?.name ?? exchange.path],
    ["Status", ({ exchange }) => String(exchange.status ?? "none")],
    ["Outcome", ({ exchange, call }) => (call === undefined ? exchange.state : outcomes[call.outcome][1])],
    ["Waited", ({ exchange }) => msText(exchange.waitMs)],
    ["Took", ({ exchange, call }) => msText(call?.durationMs ?? exchange.durationMs)],
    ["Sent", ({ exchange }) => bytesText(exchange.requestBytes)],
    ["Got", ({ exchange }) => bytesText(exchange.responseBytes)],
  ];
  return (
    <div class="compare-facts-box">
      <table class="compare-facts">
        <thead>
          <tr>
            <td />
            {[left, right].map(({ exchange: { id, replayOf } }, place) => (
              <th key={place} scope="col">
                <Link to={{ view: "traffic", id, compare: undefined }}>Exchange {id}</Link>
                {replayOf !== undefined && <span class="muted"> replay of {replayOf}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, textOf]) => {
            const [one, other] = [textOf(left), textOf(right)];
            return (
              <tr key={name} class={one === other ? "" : "differs"}>
                <th scope="row">{name}</th>
                <td>{printable(one, true)}</td>
                <td>{printable(other, true)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <Times sides={[left, right]} />
    </div>
  );
}

function msText(ms: number | undefined): string {
  return ms === undefined ? "not over" : durationText(ms);
}

/** How long each waited for the head of the answer, and took, on one scale. */
function Times({ sides }: { readonly sides: readonly Side[] }) {
  const longestMs = Math.max(1, ...sides.map(({ exchange }) => exchange.durationMs ?? 0));
  return (
    <div class="compare-times" aria-hidden="true">
      {sides.map(({ exchange: { id, durationMs = 0, waitMs = 0 } }, place) => (
        <div key={place} class="compare-time">
          <span>Exchange {id}</span>{" "}
          <span class="muted">
            {durationText(waitMs)} to the head, {durationText(durationMs)} in all
          </span>
          <div class="compare-took" style={{ width: `${(durationMs / longestMs) * 100}%` }}>
            <div
              class="compare-wait"
              style={{ width: `${durationMs === 0 ? 0 : (waitMs / durationMs) * 100}%` }}
            />
          </div>
        </div>
      ))}
    </div>
  );
}
