import { useMemo, useState } from "preact/hooks";
import type { Body } from "../../../src/model.ts";
import { copyText } from "mcp-tunnel-page/clipboard.ts";
import { bytesText } from "mcp-tunnel-page/format.ts";
import { EventsView } from "./events.tsx";
import { bytesOfBase64, HexView } from "./hex.tsx";
import { JsonView } from "./json.tsx";
import { printable } from "mcp-tunnel-page/printable.ts";
import { Plain } from "./text.tsx";

/** A body as it can be read best. `what`: `request body`. */
export function BodyView({ body, what }: { readonly body: Body; readonly what: string }) {
  switch (body.form) {
    case "none":
      return null;
    case "text":
      return <TextBody body={body} what={what} />;
    case "binary":
      return <BinaryBody body={body} />;
    case "events":
      return (
        <>
          <h4>
            Events <span class="muted">{bytesText(body.bytes)}</span>
          </h4>
          <EventsView events={body.events} dropped={body.dropped} />
        </>
      );
    case "unread":
      return (
        <>
          <h4>
            Body <span class="muted">{bytesText(body.bytes)}</span>
          </h4>
          <p class="callout warn">{printable(body.why)}</p>
        </>
      );
  }
}

function TextBody({ body, what }: { readonly body: Body & { form: "text" }; readonly what: string }) {
  const [isRaw, setRaw] = useState(false);
  // The tree has its own button for a copy.
  const isTree = body.json && !isRaw;
  return (
    <>
      <div class="body-head">
        <h4>
          Body <span class="muted">{sizeText(body)}</span>
        </h4>
        {body.json && (
          <button type="button" class="link" aria-pressed={isRaw} onClick={() => setRaw(!isRaw)}>
            {isRaw ? "As a tree" : "As sent"}
          </button>
        )}
        {!isTree && (
          <button type="button" class="link" onClick={() => void copyText(body.text, `the ${what}`)}>
            Copy
          </button>
        )}
      </div>
      {isTree ? (
        <JsonView text={body.text} />
      ) : (
        <pre class="text">
          <Plain text={body.text} />
        </pre>
      )}
    </>
  );
}

function BinaryBody({ body }: { readonly body: Body & { form: "binary" } }) {
  const bytes = useMemo(() => bytesOfBase64(body.base64), [body.base64]);
  return (
    <>
      <h4>
        Body <span class="muted">{sizeText(body)}, binary</span>
      </h4>
      <HexView bytes={bytes} />
    </>
  );
}

function sizeText(body: {
  readonly bytes: number;
  readonly kept: number;
  readonly encoding?: string;
}): string {
  const parts = [bytesText(body.bytes)];
  if (body.kept < body.bytes) parts.push(`the first ${bytesText(body.kept)} kept`);
  if (body.encoding !== undefined) parts.push(`${printable(body.encoding, true)} undone`);
  return parts.join(", ");
}
