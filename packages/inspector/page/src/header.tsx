import { useState } from "preact/hooks";
import { messageOf, sendJson } from "./api.ts";
import { copyText } from "mcp-tunnel-page/clipboard.ts";
import { saveHar } from "./har.ts";
import { say } from "mcp-tunnel-page/notice.ts";
import { Question } from "mcp-tunnel-page/question.tsx";
import { Link } from "./parts/link.tsx";
import { printable } from "mcp-tunnel-page/printable.ts";
import { countText } from "mcp-tunnel-page/format.ts";
import { route, setFilter, type View } from "./route.ts";
import { link, servers, state, tunnels } from "./store.ts";
import type { InspectorState } from "../../src/model.ts";

export function Header() {
  return (
    <header class="top">
      <h1 class="brand">
        mcp-tunnel <span>inspector</span>
      </h1>
      <Where />
      <Actions />
      <Tabs />
    </header>
  );
}

/** What is published, and where. */
function Where() {
  if (state.value === undefined) return null;
  const all = tunnels.value;
  const chosen = all.find(({ name }) => name === route.value.filters.tunnel);
  const { service, url, connection } = chosen ?? state.value;
  return (
    <>
      <Connection connection={connection} />
      {url !== undefined && (
        <button
          type="button"
          class="button quiet where-url"
          title="Copy the public URL"
          onClick={() => void copyText(url, "the public URL")}
        >
          <span class="cut">{printable(url, true)}</span>
          <span class="where-copy">copy</span>
        </button>
      )}
      {all.length > 0 ? (
        <TunnelChoice />
      ) : (
        <span class="where-service cut" title={printable(service, true)}>
          <span aria-hidden="true">→ </span>
          <span class="offscreen">to </span>
          {printable(service, true)}
        </span>
      )}
    </>
  );
}

/** Which of several tunnels is looked at: its URL is shown, and its requests alone are in the list. */
function TunnelChoice() {
  const all = tunnels.value;
  const { tunnel } = route.value.filters;
  // Requests of a tunnel that is gone from the config file are still there.
  const isGone = tunnel !== undefined && !all.some(({ name }) => name === tunnel);
  return (
    <select
      class="where-tunnel"
      aria-label="Tunnel"
      value={tunnel ?? ""}
      onChange={({ currentTarget: { value } }) => setFilter("tunnel", value)}
    >
      <option value="">{countText(all.length, "tunnel")}</option>
      {all.map(({ name, service }) => (
        <option key={name} value={name}>
          {printable(`${name} → ${service}`, true)}
        </option>
      ))}
      {isGone && <option value={tunnel}>{printable(tunnel, true)}</option>}
    </select>
  );
}

const connections: Readonly<
  Record<InspectorState["connection"], readonly [className: string, text: string]>
> = {
  online: ["good", "online"],
  connecting: ["warn", "connecting"],
  reconnecting: ["warn", "reconnecting"],
  closed: ["bad", "closed"],
};

function Connection({ connection }: Pick<InspectorState, "connection">) {
  const [className, text] = link.value.kind === "lost" ? ["muted", "unknown"] : connections[connection];
  return (
    <span class={`pill ${className}`}>
      <span class="offscreen">The tunnel is </span>
      {text}
    </span>
  );
}

function Actions() {
  const [isClearing, setClearing] = useState(false);
  const isPaused = state.value?.paused === true;
  const isOff = link.value.kind === "connecting" || link.value.kind === "lost";
  return (
    <div class="actions">
      <button
        type="button"
        class={isPaused ? "button on" : "button"}
        disabled={isOff}
        title={isPaused ? "Keep new requests again (p)" : "Keep nothing new; requests go on (p)"}
        onClick={() => void togglePause()}
      >
        {isPaused ? "Resume" : "Pause"}
        <Longer text=" capture" />
      </button>
      <button type="button" class="button" disabled={isOff} onClick={() => setClearing(true)}>
        Clear
      </button>
      <button
        type="button"
        class="button"
        disabled={isOff}
        title="Save what the filters match as a HAR file, secrets hidden"
        onClick={() => void saveHar(route.peek().filters)}
      >
        <Longer text="Export " />
        HAR
      </button>
      {isClearing && <ClearDialog onClose={() => setClearing(false)} />}
    </div>
  );
}

/** A part of a name that a narrow window has no place for. Screen readers read it anyway. */
function Longer({ text }: { readonly text: string }) {
  return <span class="longer">{text}</span>;
}

export async function togglePause(): Promise<void> {
  const paused = state.peek()?.paused !== true;
  try {
    state.value = await sendJson<InspectorState>("POST", "pause", { paused });
  } catch (error) {
    say(messageOf(error), true);
  }
}

function ClearDialog({ onClose }: { readonly onClose: () => void }) {
  const clear = async (): Promise<void> => {
    await sendJson("DELETE", "exchanges");
    say("All exchanges are deleted");
  };
  return (
    <Question title="Delete all exchanges?" answer="Delete all" onAnswer={clear} onClose={onClose}>
      <p>All that was captured is deleted, also what the filters do not show. Recordings in files stay.</p>
    </Question>
  );
}

function Tabs() {
  const { view, compare } = route.value;
  const tab = (name: View, text: string) => (
    <Link to={{ view: name, compare: undefined }} isCurrent={compare === undefined && view === name}>
      {text}
    </Link>
  );
  return (
    <nav class="tabs" aria-label="Views">
      {tab("traffic", "Traffic")}
      {tab("mcp", "MCP")}
      {(servers.value.length > 0 || view === "servers") && tab("servers", "Servers")}
    </nav>
  );
}
