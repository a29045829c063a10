import type { Overview } from "mcp-tunnel-dashboard/model";
import type { RelayFacts } from "./source.js";
import { CountsReader } from "./totals.js";

/** The relay at this moment. `hasTokenFile`: the listener knows the file of the relay's tokens. */
export function overviewOf(facts: RelayFacts, hasTokenFile: boolean): Overview {
  const { state, unreadiness, domain, authMode, certificates, cluster } = facts;
  const counts = new CountsReader(facts.counts);
  return {
    at: Date.now(),
    relay: { ...state, domain, ready: unreadiness ?? true },
    totals: counts.totals(),
    tunnels: counts.tunnels(),
    certificates,
    tokens: hasTokenFile ? "file" : authMode === "open" ? "none" : "other",
    ...(cluster === undefined ? {} : { cluster }),
  };
}
