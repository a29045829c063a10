import { printable } from "mcp-tunnel-page/printable.ts";
import { signOut } from "./api.ts";
import { Link } from "./parts/link.tsx";
import { isPaused } from "./poll.ts";
import { attentionOf } from "./relay/attention.ts";
import { route, type View } from "./route.ts";
import { link, overview, overviews } from "./store.ts";

export function Header() {
  const relay = overview.value?.relay;
  return (
    <header class="top">
      <h1 class="brand">
        mcp-tunnel <span>relay</span>
      </h1>
      <Readiness />
      {relay !== undefined && <span class="top-domain cut mono">{printable(relay.domain, true)}</span>}
      <div class="actions">
        <button
          type="button"
          class={isPaused.value ? "button on" : "button"}
          title={isPaused.value ? "Show what is new again (p)" : "Let what is shown stand still (p)"}
          onClick={() => {
            isPaused.value = !isPaused.peek();
          }}
        >
          {isPaused.value ? "Go on" : "Pause"}
        </button>
        <button type="button" class="button" onClick={signOut}>
          Sign out
        </button>
      </div>
      <Tabs />
    </header>
  );
}

function Readiness() {
  const relay = overview.value?.relay;
  if (relay === undefined) return null;
  const [className, text] =
    link.value.kind === "lost"
      ? ["muted", "unknown"]
      : relay.ready === true
        ? ["good", "ready"]
        : ["bad", printable(relay.ready, true)];
  return (
    <span class={`pill ${className}`}>
      <span class="offscreen">The relay is </span>
      {text}
    </span>
  );
}

function Tabs() {
  const { view } = route.value;
  const now = overview.value;
  // The list has the tunnels of all relays of a cluster, and this relay counts its own.
  const isAlone = now !== undefined && now.cluster === undefined;
  const tunnels = isAlone ? now.tunnels.online + now.tunnels.away : undefined;
  const problems = attentionOf(overviews.value, Date.now()).length;
  const tab = (name: View, text: string, mark?: { readonly text: string; readonly class: string }) => (
    <Link to={{ view: name, tunnel: undefined }} isCurrent={view === name}>
      {text}
      {mark !== undefined && <span class={`tab-mark ${mark.class}`}> {mark.text}</span>}
    </Link>
  );
  return (
    <nav class="tabs" aria-label="Views">
      {tab(
        "tunnels",
        "Tunnels",
        tunnels === undefined ? undefined : { text: tunnels.toLocaleString("en"), class: "muted" },
      )}
      {tab("relay", "Relay", problems === 0 ? undefined : { text: `${problems} to see`, class: "warn" })}
      {tab("tokens", "Tokens")}
    </nav>
  );
}
