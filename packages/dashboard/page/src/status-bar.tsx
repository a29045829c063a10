import { timeText } from "mcp-tunnel-page/format.ts";
import { isPaused } from "./poll.ts";
import { link, overview } from "./store.ts";

/** What the user has to know of the page itself. Only what is of consequence is told to screen readers. */
export function StatusBar({ onHelp }: { readonly onHelp: () => void }) {
  const at = overview.value?.at;
  return (
    <footer class="status">
      <p class="status-news" role="status">
        {newsOf()}
      </p>
      {at !== undefined && <p class="status-at">As of {timeText(at).slice(0, 8)}</p>}
      <button type="button" class="link" onClick={onHelp}>
        Keys
      </button>
    </footer>
  );
}

function newsOf(): string {
  const now = link.value;
  if (now.kind === "connecting") return "Connecting to the relay…";
  if (now.kind === "lost") {
    const since = timeText(now.since).slice(0, 8);
    const what =
      now.problem.code === "unreachable"
        ? "The relay does not answer"
        : `The relay has answered: ${now.problem.message}`;
    return `${what} since ${since}. This page tries again by itself, and shows what was before.`;
  }
  return isPaused.value ? "Paused: what is shown stands still." : "";
}
