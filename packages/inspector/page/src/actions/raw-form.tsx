import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { CallDetail, ExchangeDetail, ReplayRequest } from "../../../src/model.ts";
import { bytesText } from "mcp-tunnel-page/format.ts";
import { formatJson, readJson } from "../parts/json-text.ts";
import { readHeaders, withLineEndsOf, writeHeaders } from "./raw.ts";

type Edit = NonNullable<ReplayRequest["edit"]>;

export interface RawProps {
  readonly detail: ExchangeDetail;
  /** The one MCP call in it: its message is the body. */
  readonly call: CallDetail | undefined;
  /** Called with what was changed. */
  readonly onSend: (edit: Edit | undefined) => void;
  readonly children: ComponentChildren;
}

/** Method, path, headers and body as text. What is not changed is sent as it was. */
export function RawForm({ detail, call, onSend, children }: RawProps) {
  const { path: firstPath, headers } = detail.forService ?? { path: detail.path, ...detail.request };
  const firstHeaders = writeHeaders(headers);
  const firstBody = call === undefined ? bodyOf(detail) : pretty(call.request);
  const [method, setMethod] = useState(detail.method);
  const [path, setPath] = useState(firstPath);
  const [head, setHead] = useState(firstHeaders);
  const [body, setBody] = useState(firstBody);
  const [problem, setProblem] = useState<string | undefined>(undefined);

  const submit = (event: Event): void => {
    event.preventDefault();
    const edit: { -readonly [Name in keyof Edit]: Edit[Name] } = {};
    if (method !== detail.method) edit.method = method.trim();
    if (path !== firstPath) edit.path = path.trim();
    if (head !== firstHeaders) {
      const read = readHeaders(head);
      if (typeof read === "string") {
        setProblem(read);
        return;
      }
      edit.headers = read;
    }
    if (body !== undefined && body !== firstBody) {
      if (call !== undefined && !("node" in readJson(body))) {
        setProblem("The message is not JSON.");
        return;
      }
      edit.body = withLineEndsOf(firstBody ?? "", body);
    }
    setProblem(undefined);
    onSend(Object.keys(edit).length === 0 ? undefined : edit);
  };

  const headFields = (
    <>
      <div class="form-line">
        <label class="form-field form-method">
          Method
          <input
            class="field mono"
            value={method}
            onInput={(event) => setMethod(event.currentTarget.value)}
          />
        </label>
        <label class="form-field form-path">
          Path
          <input class="field mono" value={path} onInput={(event) => setPath(event.currentTarget.value)} />
        </label>
      </div>
      <label class="form-field">
        Headers
        <textarea
          class="field mono"
          rows={Math.min(12, headers.length + 1)}
          spellcheck={false}
          value={head}
          onInput={(event) => setHead(event.currentTarget.value)}
        />
      </label>
    </>
  );
  return (
    <form class="replay-form" onSubmit={submit} noValidate>
      {call === undefined ? (
        headFields
      ) : (
        <details class="folded">
          <summary>Method, path and headers</summary>
          {headFields}
        </details>
      )}
      {body === undefined ? (
        <p class="muted">
          The body ({bytesText(detail.requestBytes)}) is no text that could be edited. It is sent as it was.
        </p>
      ) : (
        <label class="form-field">
          {call === undefined ? "Body" : "Message"}
          <textarea
            class="field mono"
            rows={Math.min(18, Math.max(3, body.split("\n").length))}
            spellcheck={false}
            value={body}
            onInput={(event) => setBody(event.currentTarget.value)}
          />
        </label>
      )}
      {detail.hidden > 0 && (
        <p class="muted">
          A mark such as <code>[hidden:…]</code> stands for a secret, which is sent if you leave it.
        </p>
      )}
      {problem !== undefined && (
        <p class="bad" role="alert">
          {problem}
        </p>
      )}
      {children}
    </form>
  );
}

function bodyOf({ request: { body } }: ExchangeDetail): string | undefined {
  if (body.form === "none") return "";
  return body.form === "text" && body.kept === body.bytes ? body.text : undefined;
}

function pretty(json: string): string {
  const reading = readJson(json);
  return "node" in reading ? formatJson(reading.node) : json;
}
