import { useState } from "preact/hooks";
import type { McpSession } from "../../../src/model.ts";
import { bytesText, countText, timeText } from "mcp-tunnel-page/format.ts";
import { Link } from "../parts/link.tsx";
import { moveAmongLinks } from "mcp-tunnel-page/rows.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { link, sessions, state, tunnels } from "../store.ts";
import { copyText } from "mcp-tunnel-page/clipboard.ts";

/** Some hosts open a session for each call. */
const shownAtOnce = 200;

/** All sessions, the newest first. */
export function SessionList() {
  const [shown, setShown] = useState(shownAtOnce);
  const all = [...sessions.value].sort((a, b) => b.startedAt - a.startedAt);
  return (
    <main class="page mcp-sessions">
      <h2 class="offscreen">Sessions</h2>
      {all.length === 0 ? (
        link.value.kind === "live" && <NoSessions />
      ) : (
        <>
          <div class="session-row session-heads" aria-hidden="true">
            <span>Client</span>
            <span>Server</span>
            <span>Revision</span>
            <span>Calls</span>
            <span>tools/list</span>
            <span class="session-when">Began</span>
          </div>
          <ul onKeyDown={moveAmongLinks}>
            {all.slice(0, shown).map((session, place) => (
              <li key={session.key}>
                <SessionRow session={session} isReached={place === 0} />
              </li>
            ))}
          </ul>
          {all.length > shown && (
            <button type="button" class="button calls-more" onClick={() => setShown(shown + shownAtOnce)}>
              {countText(all.length - shown, "older session")}
            </button>
          )}
        </>
      )}
    </main>
  );
}

function SessionRow({ session, isReached }: { readonly session: McpSession; readonly isReached: boolean }) {
  const { tools } = session;
  return (
    <Link class="session-row" to={{ session: session.key }} row={{ isReached }}>
      <span class="session-who cut">
        <strong>{clientText(session)}</strong>
        {session.user !== undefined && <span class="muted"> as {printable(session.user, true)}</span>}
      </span>
      <span class="session-server cut">
        <span class="session-to muted">to </span>
        {serverText(session)} <span class="muted mono">{printable(session.path, true)}</span>
      </span>
      <span class="session-facts">
        {session.tunnel !== undefined && tunnels.value.length > 0 && (
          <span class="badge">{printable(session.tunnel, true)}</span>
        )}
        <Era session={session} />
        {session.replay === true && <span class="badge">replay</span>}
        <SessionState session={session} />
      </span>
      <span class="session-calls">
        {countText(session.calls, "call")}
        {session.errors > 0 && <span class="bad"> · {countText(session.errors, "error")}</span>}
      </span>
      <span class="session-tools muted">
        {tools !== undefined && `${countText(tools.count, "tool")}, ${bytesText(tools.bytes)}`}
      </span>
      <span class="session-when mono muted">{timeText(session.startedAt).slice(0, 8)}</span>
    </Link>
  );
}

/** The revision of MCP, and what it means: whether there are sessions. */
export function Era({ session: { era, protocolVersion } }: { readonly session: McpSession }) {
  const title =
    era === "modern"
      ? "Requests stand alone: no initialize, no session id"
      : "Sessions begin with initialize";
  return (
    <span class="badge mcp" title={title}>
      {printable(protocolVersion ?? "version unknown", true)} · {era}
    </span>
  );
}

export function SessionState({ session: { open, endedAt } }: { readonly session: McpSession }) {
  if (open > 0) return <span class="badge mcp pulse">{open} running</span>;
  return endedAt === undefined ? null : <span class="badge">ended</span>;
}

export function clientText({ client }: McpSession): string {
  return client === undefined ? "Unknown client" : infoText(client);
}

export function serverText({ server }: McpSession): string {
  return server === undefined ? "unknown server" : infoText(server);
}

function infoText({ name, title, version }: NonNullable<McpSession["client"]>): string {
  return printable(`${title ?? name}${version === undefined ? "" : ` ${version}`}`, true);
}

function NoSessions() {
  const url = state.value?.url;
  return (
    <div class="teach">
      <h2>No MCP yet</h2>
      <p>
        Give the public URL of your server to a host as a remote MCP server. Each call that it sends is shown
        here as it comes: who calls, the arguments, progress, the result, and how long it took.
      </p>
      {url !== undefined && (
        <p class="teach-url">
          <code>{printable(`${url}/mcp`, true)}</code>{" "}
          <button type="button" class="button" onClick={() => void copyText(`${url}/mcp`, "the URL")}>
            Copy
          </button>
        </p>
      )}
      <p class="muted">
        The path is that of your server; <code>/mcp</code> is what most have. In Claude: Settings, Connectors,
        Add custom connector. In ChatGPT: Settings, Apps &amp; Connectors, with the developer mode on. In
        Claude Code: <code>claude mcp add --transport http NAME URL</code>
      </p>
    </div>
  );
}
