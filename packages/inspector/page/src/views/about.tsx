import type { McpCall, McpSession, SessionDetail } from "../../../src/model.ts";
import { bytesText, countText, timeText } from "mcp-tunnel-page/format.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { clientText, serverText } from "./sessions.tsx";
import { ToolView } from "./tool.tsx";

interface AboutProps {
  readonly session: McpSession;
  readonly tools: SessionDetail["tools"];
  readonly calls: readonly McpCall[];
}

/** Who a session is of, what both sides can, and the tools. */
export function About({ session, tools, calls }: AboutProps) {
  const notes = calls.reduce((sum, call) => sum + call.notes.length, 0);
  const listed = session.tools;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["Client", clientText(session)],
    ["User", session.user && printable(session.user, true)],
    ["Server", serverText(session)],
    ["Path", printable(session.path, true)],
    ["Revision", session.protocolVersion && printable(session.protocolVersion, true)],
    ["Session id", session.id && printable(session.id, true)],
    ["Began", timeText(session.startedAt)],
    ["Last seen", timeText(session.lastAt)],
    ["Ended", session.endedAt === undefined ? undefined : timeText(session.endedAt)],
    ["Calls", `${session.calls}, ${countText(session.errors, "error")}, ${countText(notes, "note")}`],
    ["tools/list", listed && `${countText(listed.count, "tool")}, ${bytesText(listed.bytes)}`],
    ["Client can", session.clientCapabilities && capabilitiesText(session.clientCapabilities)],
    ["Server can", session.serverCapabilities && capabilitiesText(session.serverCapabilities)],
  ];
  return (
    <section class="pane about" aria-label="About this session" tabIndex={-1}>
      <h2>About this session</h2>
      <dl class="about-facts">
        {facts.map(
          ([name, value]) =>
            value !== undefined && (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
      <h3>Tools</h3>
      {tools.length === 0 && <p class="muted">No answer to tools/list has been seen in this session.</p>}
      {listed !== undefined && (
        <p class="muted">
          Every conversation pays for these {bytesText(listed.bytes)} with its context: about{" "}
          {countText(roughly(listed.bytes / bytesForToken), "token")}.
        </p>
      )}
      <ul class="tool-list">
        {tools.map((tool) => (
          <li key={tool.name}>
            <ToolView tool={tool} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** A rule of thumb for English and JSON. */
const bytesForToken = 4;

/** Two digits: it is no more than a guess. */
function roughly(count: number): number {
  return Number(count.toPrecision(2));
}

function capabilitiesText(names: readonly string[]): string {
  return names.length === 0 ? "nothing special" : printable(names.join(", "), true);
}
