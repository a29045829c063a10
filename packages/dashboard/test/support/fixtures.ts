import type { Overview, TokenRow, TunnelRow } from "../../src/model.js";

/** A relay to which nothing has happened. */
export function overviewOf(
  changes: Partial<Overview> = {},
  totals: Partial<Overview["totals"]> = {},
): Overview {
  return {
    at: Date.now(),
    relay: {
      version: "0.1.0",
      startedAt: Date.now() - 3 * 86_400_000,
      draining: false,
      stale: [],
      localPorts: {},
      domain: "tunnel.example.com",
      ready: true,
    },
    totals: {
      requests: { "1xx": 0, "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0, none: 0 },
      outcomes: { completed: 0, refused: 0, cancelled: 0, cut: 0 },
      refusals: { tunnel_not_found: 0, too_many_requests: 0 },
      limits: { connections: 0, requests_per_address: 0 },
      events: { registered: 0, refused: 0, away: 0, resumed: 0, lost: 0, evicted: 0, revoked: 0, closed: 0 },
      requestBytes: 0,
      responseBytes: 0,
      openRequests: 0,
      ...totals,
    },
    tunnels: { online: 0, away: 0, leaving: 0, gated: 0 },
    certificates: [],
    tokens: "file",
    ...changes,
  };
}

export function tunnelOf(name: string, changes: Partial<TunnelRow> = {}): TunnelRow {
  return {
    name,
    url: `https://${name}.tunnel.example.com`,
    state: "online",
    since: Date.now() - 3_600_000,
    address: "192.0.2.7",
    client: { name: "mcp-tunnel-client", version: "0.1.0" },
    token: "3f9ac01b77de",
    note: "Ann Example",
    wire: "v1",
    gate: null,
    pool: false,
    rttMs: 23.4,
    requests: 1_204,
    requestBytes: 52_000,
    responseBytes: 7_340_032,
    streams: 2,
    queuedBytes: 0,
    ...changes,
  };
}

export function tokenOf(id: string, changes: Partial<TokenRow> = {}): TokenRow {
  return { id, subdomains: ["demo", "demo-*"], note: "Ann Example", tunnels: 0, ...changes };
}
