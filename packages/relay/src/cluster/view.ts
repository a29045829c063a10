import type { Answers, Member, MemberRelay, MemberStatus, Question } from "mcp-tunnel-cluster/relay";
import type { Traffic } from "../telemetry/observer.js";
import type { TunnelStatus } from "../tunnels/status.js";
import type { AnswerOf } from "./host.js";

/** A tunnel of one of several relays. */
export interface ClusterTunnelStatus extends TunnelStatus {
  /** The id of the relay that has it. */
  relay: string;
}

/** What is known of all relays. */
export interface ClusterAnswer {
  /** The ids of the relays that did not answer in time. */
  readonly silent: readonly string[];
}

/** The cluster that a relay belongs to, as its operator sees it. */
export interface RelayCluster {
  /** The id of this relay. It is drawn at each start. */
  readonly node: string;
  /** Whether the other relays can count on this one. Balancers should send no visitors to it otherwise. */
  readonly isReady: boolean;
  /** Relays, links and requests between them. */
  status(): MemberStatus;
  /** The relays that are alive, this one among them. */
  relays(): readonly MemberRelay[];
  /**
   * The tunnels of all relays: see {@link Relay.tunnels}. The bytes of open requests that came through
   * another relay than the tunnel's are added to the last tunnel of their name.
   */
  tunnels(): Promise<ClusterAnswer & { readonly tunnels: ClusterTunnelStatus[] }>;
  /** Closes a tunnel for good at whatever relay it is. `relays`: the relays that had it. */
  disconnect(name: string): Promise<ClusterAnswer & { readonly relays: string[] }>;
}

/** Asks all relays in the name of this one's operator. */
export function clusterView(member: Member): RelayCluster {
  async function ask<About extends Question["about"]>(
    question: Question & { about: About },
  ): Promise<Answers<AnswerOf[About]>> {
    return await member.ask<AnswerOf[About]>(question);
  }
  return {
    node: member.node,
    get isReady() {
      return member.isReady;
    },
    status: () => member.status(),
    relays: () => member.relays(),
    async tunnels() {
      const [rows, traffic] = await Promise.all([ask({ about: "tunnels" }), ask({ about: "traffic" })]);
      const tunnels = Array.from(rows.answers, ([relay, own]) =>
        own.map((row) => ({ ...row, relay })),
      ).flat();
      for (const open of traffic.answers.values()) addTraffic(tunnels, open);
      return { tunnels, silent: rows.silent };
    },
    async disconnect(name) {
      const { answers, silent } = await ask({ about: "disconnect", name });
      const relays = Array.from(answers).flatMap(([relay, had]) => (had ? [relay] : []));
      return { relays, silent };
    },
  };
}

function addTraffic(tunnels: ClusterTunnelStatus[], open: Record<string, Traffic>): void {
  for (const [name, { requestBytes, responseBytes }] of Object.entries(open)) {
    const row = tunnels.findLast((tunnel) => tunnel.name === name && tunnel.state !== "leaving");
    if (row === undefined) continue;
    row.requestBytes += requestBytes;
    row.responseBytes += responseBytes;
  }
}

/** Where the relays reach one another, by their ids. Ids mean nothing to a person, and addresses do. */
export function addressesOf(cluster: Pick<RelayCluster, "relays">): Readonly<Record<string, string>> {
  return Object.fromEntries(cluster.relays().map(({ node, address }) => [node, address]));
}
