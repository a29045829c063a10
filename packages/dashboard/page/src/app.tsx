import { useSignalEffect } from "@preact/signals";
import { useKeys } from "mcp-tunnel-page/keys.ts";
import { KeysDialog } from "mcp-tunnel-page/keys-dialog.tsx";
import { NoticePlace } from "mcp-tunnel-page/notice-place.tsx";
import { printable } from "mcp-tunnel-page/printable.ts";
import { useEffect, useState } from "preact/hooks";
import { access } from "./api.ts";
import { Header } from "./header.tsx";
import { isPaused } from "./poll.ts";
import { RelayPage } from "./relay/relay.tsx";
import { go, route, type View } from "./route.ts";
import { SignIn } from "./sign-in.tsx";
import { StatusBar } from "./status-bar.tsx";
import { followRelay, forgetRelay, overview } from "./store.ts";
import { TokensPage } from "./tokens/tokens.tsx";
import { TunnelPage } from "./tunnels/tunnel.tsx";
import { TunnelsPage } from "./tunnels/tunnels.tsx";

export function App() {
  return access.value === "ok" ? <Dashboard /> : <SignIn />;
}

const keys: readonly (readonly [key: string, what: string])[] = [
  ["1  2  3", "tunnels, relay, tokens"],
  ["j  ↓", "next row"],
  ["k  ↑", "previous row"],
  ["Home  End", "first row, last row"],
  ["Enter", "show the tunnel"],
  ["Escape", "back to the list"],
  ["/", "search the tunnels"],
  ["n", "create a token"],
  ["p", "pause, or go on"],
  ["?", "this list"],
];

const titles: Readonly<Record<View, string>> = { tunnels: "Tunnels", relay: "Relay", tokens: "Tokens" };

function Dashboard() {
  const [isHelpOpen, setHelpOpen] = useState(false);
  useEffect(() => {
    const poll = followRelay();
    return () => {
      poll.stop();
      forgetRelay();
    };
  }, []);
  const show = (view: View) => () => go({ view, tunnel: undefined });
  useKeys({
    "1": show("tunnels"),
    "2": show("relay"),
    "3": show("tokens"),
    p: () => {
      isPaused.value = !isPaused.peek();
    },
    "?": () => setHelpOpen(true),
  });
  useSignalEffect(() => {
    const { view, tunnel } = route.value;
    const what = tunnel === undefined ? titles[view] : printable(tunnel, true);
    document.title = `${what} - ${overview.value?.relay.domain ?? "mcp-tunnel relay"}`;
  });
  return (
    <div class="app">
      <Header />
      <Shown />
      <StatusBar onHelp={() => setHelpOpen(true)} />
      {isHelpOpen && <KeysDialog keys={keys} onClose={() => setHelpOpen(false)} />}
      <NoticePlace />
    </div>
  );
}

function Shown() {
  const { view, tunnel } = route.value;
  switch (view) {
    case "tunnels":
      return tunnel === undefined ? <TunnelsPage /> : <TunnelPage key={tunnel} name={tunnel} />;
    case "relay":
      return <RelayPage />;
    case "tokens":
      return <TokensPage />;
  }
}
