import { useKeys } from "mcp-tunnel-page/keys.ts";
import { go, route } from "../route.ts";
import { CallPane } from "./call.tsx";
import { SessionPane } from "./session.tsx";
import { SessionList } from "./sessions.tsx";
import "./mcp.css";

/** Sessions, the calls of one, and one call. Each step is in the URL. */
export function McpPage() {
  const { session, call } = route.value;
  useKeys({
    Escape: () => {
      if (call !== undefined) go({ call: undefined });
      else if (session !== undefined) go({ session: undefined });
    },
  });
  if (session === undefined && call === undefined) return <SessionList />;
  return (
    <main class={call === undefined ? "page mcp-split" : "page mcp-split has-call"}>
      {session !== undefined && <SessionPane key={session} sessionKey={session} callKey={call} />}
      {call !== undefined && <CallPane key={call} callKey={call} />}
    </main>
  );
}
