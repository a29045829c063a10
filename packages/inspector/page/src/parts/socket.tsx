import { useMemo } from "preact/hooks";
import type { SocketDetail, SocketMessage } from "../../../src/model.ts";
import { bytesText, durationText } from "mcp-tunnel-page/format.ts";
import { looksLikeJson } from "./events.tsx";
import { bytesOfBase64, HexView } from "./hex.tsx";
import { JsonView } from "./json.tsx";
import { Newest } from "./newest.tsx";
import { printable } from "mcp-tunnel-page/printable.ts";
import { Plain } from "./text.tsx";

/** The messages of a WebSocket, of both directions. */
export function SocketView({ socket }: { readonly socket: SocketDetail }) {
  const { messages, dropped, unread } = socket;
  return (
    <>
      {unread !== undefined && <p class="callout warn">{printable(unread)}</p>}
      <Newest items={messages} dropped={dropped} one="message">
        {(message, i) => (
          <li key={dropped + i} class={`event from-${message.from}`}>
            <p class="event-head">
              <span class="event-time">+{durationText(message.atMs)}</span>
              <span>
                <span aria-hidden="true">{message.from === "visitor" ? "↑ " : "↓ "}</span>
                {message.from}
              </span>
              <span class="muted">{message.kind}</span>
              <span class="muted">{bytesText(message.bytes)}</span>
              {message.cut === true && <span class="badge warn">cut</span>}
            </p>
            <MessageData message={message} />
          </li>
        )}
      </Newest>
    </>
  );
}

function MessageData({ message: { kind, data } }: { readonly message: SocketMessage }) {
  const bytes = useMemo(() => (kind === "binary" ? bytesOfBase64(data) : undefined), [kind, data]);
  if (data === "") return null;
  if (bytes !== undefined) return <HexView bytes={bytes} />;
  if (kind === "text" && looksLikeJson(data)) return <JsonView text={data} />;
  return (
    <pre class="text">
      <Plain text={data} />
    </pre>
  );
}
