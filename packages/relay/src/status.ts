import { V1RelaySession, type Wire } from "mcp-tunnel-protocol";
import type { RelayObserver } from "./observer.js";
import type { TunnelRegistry } from "./registry.js";
import type { Tunnel } from "./tunnel.js";

/** A tunnel as its operator sees it. */
export interface TunnelStatus {
  name: string;
  url: string;
  /** `away`: its client is expected back. */
  state: "online" | "away";
  /** When it was registered, in milliseconds since 1970. */
  since: number;
  /** The client's address. */
  address: string;
  /** What the client calls itself; originals say nothing. */
  client: { name: string; version: string } | undefined;
  /** The id of its token, where a token file names it. */
  token: string | undefined;
  wire: Wire | undefined;
  /** Round-trip time to the client, in milliseconds, once measured. */
  rttMs: number | undefined;
  /** Requests that are over. */
  requests: number;
  /** Body bytes of visitors' requests that are over. */
  requestBytes: number;
  /** Body bytes of responses that are over. */
  responseBytes: number;
  /** Requests that are open. */
  streams: number;
  /** Bytes waiting for the client or for its acknowledgement. */
  queuedBytes: number;
}

export function tunnelStatus(tunnel: Tunnel): TunnelStatus {
  const { name, url, address, client, grant } = tunnel.info;
  const { session } = tunnel;
  return {
    name,
    url,
    state: tunnel.state.name === "away" ? "away" : "online",
    since: tunnel.connectedAt,
    address,
    client,
    token: grant?.id,
    wire: tunnel.wire,
    rttMs: session?.rttMs,
    ...tunnel.traffic,
    streams: session?.streamCount ?? 0,
    queuedBytes: session instanceof V1RelaySession ? session.queuedBytes + session.unacknowledgedBytes : 0,
  };
}

/** Counts what went through each tunnel. */
export function trafficObserver(registry: TunnelRegistry): RelayObserver {
  return {
    onEnd({ name, requestBytes, responseBytes }) {
      const traffic = name === undefined ? undefined : registry.find(name)?.traffic;
      if (traffic === undefined) return;
      traffic.requests += 1;
      traffic.requestBytes += requestBytes;
      traffic.responseBytes += responseBytes;
    },
  };
}
