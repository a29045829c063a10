import { useSignalEffect } from "@preact/signals";
import { useState } from "preact/hooks";
import { access } from "./api.ts";
import { ComparePage } from "./actions/compare.tsx";
import { Header, togglePause } from "./header.tsx";
import { HelpDialog } from "./help.tsx";
import { useKeys } from "mcp-tunnel-page/keys.ts";
import { useFilters } from "./filtering.ts";
import { NoticePlace } from "mcp-tunnel-page/notice-place.tsx";
import { go, route } from "./route.ts";
import { StatusBar } from "./status-bar.tsx";
import { McpPage } from "./views/mcp.tsx";
import { ServersPage } from "./views/servers.tsx";
import { TrafficPage } from "./views/traffic.tsx";

export function App() {
  if (access.value !== "ok") return <NoSecret isRefused={access.value === "refused"} />;
  return <Inspector />;
}

function Inspector() {
  const [isHelpOpen, setHelpOpen] = useState(false);
  useFilters();
  useKeys({ p: () => void togglePause(), "?": () => setHelpOpen(true) });
  useSignalEffect(() => {
    document.title = `${titleOf()} - mcp-tunnel inspector`;
  });
  return (
    <div class="app">
      <Header />
      <View />
      <StatusBar onHelp={() => setHelpOpen(true)} />
      {isHelpOpen && <HelpDialog onClose={() => setHelpOpen(false)} />}
      <NoticePlace />
    </div>
  );
}

function View() {
  const { view, compare } = route.value;
  if (compare !== undefined) {
    return <ComparePage a={compare[0]} b={compare[1]} onClose={() => go({ compare: undefined })} />;
  }
  switch (view) {
    case "traffic":
      return <TrafficPage />;
    case "mcp":
      return <McpPage />;
    case "servers":
      return <ServersPage />;
  }
}

function titleOf(): string {
  const { view, compare, id } = route.value;
  if (compare !== undefined) return `Compare ${compare[0]} and ${compare[1]}`;
  if (view === "mcp") return "MCP";
  if (view === "servers") return "Servers";
  return id === undefined ? "Traffic" : `Exchange ${id}`;
}

function NoSecret({ isRefused }: { readonly isRefused: boolean }) {
  return (
    <main class="no-secret">
      <h1>mcp-tunnel inspector</h1>
      <p role="alert">
        {isRefused
          ? "This page belongs to an earlier start of the client, or its secret is not right."
          : "This page shows private requests, so it opens only with its secret."}
      </p>
      <p>
        Open the URL that the terminal shows, with everything after its <code>#</code>.
      </p>
    </main>
  );
}
