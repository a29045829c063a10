import { bytesText, countText } from "./format.ts";
import { link, state } from "./store.ts";

/** What the user has to know of the capture. Only what is of consequence is told to screen readers. */
export function StatusBar() {
  return (
    <footer class="status">
      <p class="status-news" role="status">
        {newsOf()}
      </p>
      <p class="status-kept">{keptOf()}</p>
    </footer>
  );
}

function newsOf(): string {
  const { kind } = link.value;
  if (kind === "connecting") return "Connecting to the inspector…";
  if (kind === "lost")
    return "The inspector does not answer. This page tries again. Is the client still running?";
  if (state.value?.paused === true) return "Capture is paused: requests go on, and nothing new is kept.";
  return "";
}

function keptOf(): string {
  if (state.value === undefined) return "";
  const { kept, missed } = state.value;
  const parts = [
    `${countText(kept.exchanges, "exchange")} kept, ${bytesText(kept.bytes)} of ${bytesText(kept.maxBytes)}`,
  ];
  if (missed.exchanges > 0) parts.push(`${countText(missed.exchanges, "exchange")} not captured under load`);
  if (missed.bodies > 0) {
    parts.push(`${countText(missed.bodies, "body", "bodies")} not kept under load`);
  }
  return parts.join(" · ");
}
