import type { EventDetail } from "../../../src/model.ts";
import { bytesText, durationText } from "mcp-tunnel-page/format.ts";
import { JsonView } from "./json.tsx";
import { Newest } from "./newest.tsx";
import { printable } from "mcp-tunnel-page/printable.ts";
import { Plain } from "./text.tsx";

export interface EventsProps {
  readonly events: readonly EventDetail[];
  readonly dropped: number;
}

/** The events of an event stream, one by one, each with its time since the start of the exchange. */
export function EventsView({ events, dropped }: EventsProps) {
  return (
    <Newest items={events} dropped={dropped} one="event">
      {(event, i) => (
        <li key={dropped + i} class={event.comment === true ? "event comment" : "event"}>
          <p class="event-head">
            <span class="event-time">+{durationText(event.atMs)}</span>
            {event.comment === true ? (
              <span>
                comment: <Plain text={event.data} oneLine />
              </span>
            ) : (
              <span>{printable(event.event, true) || "message"}</span>
            )}
            {event.id !== undefined && (
              <span class="muted cut" title={printable(event.id, true)}>
                id {printable(event.id, true)}
              </span>
            )}
            <span class="muted">{bytesText(event.bytes)}</span>
            {event.cut === true && <span class="badge warn">cut</span>}
          </p>
          {event.comment === true ? null : looksLikeJson(event.data) ? (
            <JsonView text={event.data} />
          ) : (
            <pre class="text">
              <Plain text={event.data} />
            </pre>
          )}
        </li>
      )}
    </Newest>
  );
}

/** What is no JSON after all, the viewer shows as it is. */
export function looksLikeJson(text: string): boolean {
  return /^\s{0,100}[{[]/.test(text);
}
