import type { Wire } from "mcp-tunnel-protocol";
import type { Traffic } from "../telemetry/observer.js";
import type { Tunnel } from "./tunnel.js";

/** Whether a tunnel has its client. @useDeclaredType */
export type TunnelStateName = (typeof tunnelStates)[number];

export const tunnelStates = ["online", "away", "leaving"] as const;

/** A tunnel as its operator sees it. */
export interface TunnelStatus {
  /** The name of the tunnel. */
  name: string;
  /** Its public URL. */
  url: string;
  /**
   * `away`: the client is expected back. `leaving`: the client opens another tunnel, by its own decision or
   * because the relay asked it to.
   */
  state: TunnelStateName;
  /** When it was registered, in milliseconds since 1970. */
  since: number;
  /** The client's address. A client that has come back may have another one than it registered from. */
  address: string;
  /** What the client calls itself; originals say nothing. */
  client: { name: string; version: string } | undefined;
  /** The id of its token, if a token file names one. */
  token: string | undefined;
  /** The note of its token, if the token file has one. */
  note: string | undefined;
  /** The wire that the client speaks, once it is known. */
  wire: Wire | undefined;
  /**
   * The kinds of proofs that the gate before its service asks visitors for, such as `bearer`: empty if only
   * their address decides, `null` without a gate. The client says so, and nothing checks it.
   */
  gate: readonly string[] | null;
  /** The tunnel is a member of a pool: others may have the same name. */
  pool: boolean;
  /** Round-trip time to the client, in milliseconds, once measured. */
  rttMs: number | undefined;
  /** Requests that are over. */
  requests: number;
  /** Body bytes from visitors, open requests included. */
  requestBytes: number;
  /** Body bytes to visitors, open responses included. */
  responseBytes: number;
  /** Requests that are open. */
  streams: number;
  /** Bytes waiting for the client or for its acknowledgement. */
  queuedBytes: number;
}

/** `open`: the bytes that went through its open exchanges so far. */
export function tunnelStatus(tunnel: Tunnel, open: Traffic | undefined): TunnelStatus {
  const { name, url, client, grant, gate, pool } = tunnel.info;
  return {
    name,
    url,
    state: stateOf(tunnel),
    since: tunnel.connectedAt,
    address: tunnel.address,
    client,
    token: grant?.id,
    note: grant?.note,
    wire: tunnel.wire,
    gate: gate?.kinds ?? null,
    pool: pool !== undefined,
    rttMs: tunnel.session?.rttMs,
    requests: tunnel.traffic.requests,
    requestBytes: tunnel.traffic.requestBytes + (open?.requestBytes ?? 0),
    responseBytes: tunnel.traffic.responseBytes + (open?.responseBytes ?? 0),
    streams: tunnel.streamCount,
    queuedBytes: tunnel.queuedBytes,
  };
}

/** `leaving` comes first, because it says more than whether the client has a connection at the moment. */
function stateOf(tunnel: Tunnel): TunnelStateName {
  if (tunnel.isLeft || tunnel.isMoving) return "leaving";
  return tunnel.state.name === "away" ? "away" : "online";
}
