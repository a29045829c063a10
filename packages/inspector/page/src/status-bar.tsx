import { bytesText, countText } from "mcp-tunnel-page/format.ts";
import { link, state } from "./store.ts";

/** What the user has to know of the capture. Only what is of consequence is told to screen readers. */
export function StatusBar({ onHelp }: { readonly onHelp: () => void }) {
  return (
    <footer class="status">
      <p class="status-news" role="status">
        {newsOf()}
        {state.value !== undefined && state.value.missed.exchanges + state.value.missed.bodies > 0 && (
          // The counts beside it change often, and are not read out.
          <span class="offscreen"> Not all is captured, as too much came at once.</span>
        )}
      </p>
      <Kept />
      <button type="button" class="link" onClick={onHelp}>
        Keys
      </button>
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

function Kept() {
  if (state.value === undefined) return null;
  const { kept, missed } = state.value;
  const parts: string[] = [];
  if (missed.exchanges > 0) parts.push(`${countText(missed.exchanges, "exchange")} not captured under load`);
  if (missed.bodies > 0) {
    parts.push(`${countText(missed.bodies, "body", "bodies")} not kept under load`);
  }
  const isMissed = parts.length > 0;
  parts.push(
    `${countText(kept.exchanges, "exchange")} kept, ${bytesText(kept.bytes)} of ${bytesText(kept.maxBytes)}`,
  );
  return <p class={isMissed ? "status-kept warn" : "status-kept"}>{parts.join(" · ")}</p>;
}
