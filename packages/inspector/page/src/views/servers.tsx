import { useEffect, useRef } from "preact/hooks";
import type { ServerProcess, ServerState } from "../../../src/model.ts";
import { countText, timeText } from "mcp-tunnel-page/format.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { link, servers, tunnels } from "../store.ts";
import "./servers.css";

/** The processes of MCP servers on stdio, and what they write. */
export function ServersPage() {
  const all = servers.value;
  return (
    <main class="page servers">
      <h2 class="offscreen">Servers</h2>
      {all.length === 0 && link.value.kind === "live" && <NoServers />}
      {all.map((server) => (
        <Server key={`${server.tunnel ?? ""} ${server.name ?? ""}`} server={server} />
      ))}
    </main>
  );
}

function NoServers() {
  return (
    <div class="teach">
      <h2>No server on stdio</h2>
      <p>
        Start one with <code>mcp-tunnel-client --stdio COMMAND</code>. Its processes are shown here, and what
        they write to their standard error.
      </p>
    </div>
  );
}

function Server({ server }: { readonly server: ServerState }) {
  const running = server.processes.filter(({ state }) => state === "running").length;
  // The newest is what a person looks for.
  const processes = [...server.processes].sort((a, b) => b.startedAt - a.startedAt);
  return (
    <section class="server">
      <header class="server-head">
        <h3>{server.name === undefined ? "MCP server" : printable(server.name, true)}</h3>
        {server.tunnel !== undefined && tunnels.value.length > 0 && (
          <span class="badge">{printable(server.tunnel, true)}</span>
        )}
        <span class={`pill ${running > 0 ? "good" : "muted"}`}>
          {running > 0 ? `${running} running` : "not running"}
        </span>
        <span class="muted">
          {countText(server.started, "process", "processes")} started
          {server.failed > 0 && <span class="bad">, {server.failed} failed</span>}
        </span>
      </header>
      {processes.map((child) => (
        <Process key={child.process} child={child} />
      ))}
    </section>
  );
}

const states: Readonly<Record<ServerProcess["state"], string>> = {
  running: "good",
  ended: "",
  failed: "bad",
};

function Process({ child }: { readonly child: ServerProcess }) {
  const { lines, dropped } = child;
  return (
    <article class="process" aria-label={`Process ${child.process}`}>
      <header class="process-head">
        <span class="mono">{child.process}</span>
        <span class={`badge ${states[child.state]}`}>{child.state}</span>
        <span>{printable(child.purpose, true)}</span>
        <span class="muted mono">
          {timeText(child.startedAt)}
          {child.endedAt !== undefined && ` – ${timeText(child.endedAt)}`}
        </span>
      </header>
      {child.message !== undefined && (
        <p class={child.state === "failed" ? "bad" : "muted"}>{printable(child.message)}</p>
      )}
      {lines.length === 0 ? (
        <p class="muted">It has written nothing to its standard error.</p>
      ) : (
        <Lines child={child} />
      )}
      {dropped > 0 && (
        <p class="muted">
          {countText(dropped, "earlier line")} {dropped === 1 ? "is" : "are"} not kept any more.
        </p>
      )}
    </article>
  );
}

/** Many servers color their lines, as if they wrote to a terminal (ECMA-48, 8.3.117: SGR). */
function withoutColors(line: string): string {
  return line.replaceAll(/\u001b\[[0-9;]*m/g, "");
}

/** The newest stays in sight while the user has not scrolled up. */
function Lines({ child: { process, lines } }: { readonly child: ServerProcess }) {
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  useEffect(() => {
    if (follows.current && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  return (
    // A box that scrolls has to be reached by keyboard.
    <div
      class="lines"
      ref={box}
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label={`Lines of process ${process}`}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        follows.current = scrollTop + clientHeight >= scrollHeight - 8;
      }}
    >
      {lines.map(({ at, text, stray }, place) => (
        <p key={place} class={stray === true ? "line stray" : "line"}>
          <time class="muted">{timeText(at)}</time>
          {stray === true && (
            <span class="badge warn" title="Written to stdout, where only messages of MCP may be">
              stray
            </span>
          )}
          <span class="line-text">{printable(withoutColors(text), true)}</span>
        </p>
      ))}
    </div>
  );
}
