import type { MemberHost, Question } from "mcp-tunnel-cluster/relay";
import { TunnelError } from "mcp-tunnel-protocol";
import type { ClientConnections } from "../registration/client-connections.js";
import type { Traffic } from "../telemetry/observer.js";
import { Pools } from "../tunnels/pool.js";
import type { TunnelStatus } from "../tunnels/status.js";
import type { Tunnels } from "../tunnels/tunnels.js";
import { version } from "../version.js";

/** The parts of a relay that other relays have to do with. */
interface HostParts {
  readonly domain: string;
  readonly tunnels: Tunnels;
  readonly clients: ClientConnections;
  /** The relay's own tunnels, as its operator sees them. */
  readonly status: () => TunnelStatus[];
  /** The bytes of open requests that went to tunnels of other relays, by name. */
  readonly trafficElsewhere: () => Record<string, Traffic>;
}

/** What the answers to the questions are, by what the question is about. */
export interface AnswerOf {
  tunnels: TunnelStatus[];
  /** Whether there was such a tunnel. */
  disconnect: boolean;
  revoked: null;
  traffic: Record<string, Traffic>;
}

/** The relay, as its place in a cluster uses it. */
export function memberHost({ domain, tunnels, clients, status, trafficElsewhere }: HostParts): MemberHost {
  const answers: {
    [About in Question["about"]]: (question: Question & { about: About }) => AnswerOf[About];
  } = {
    tunnels: status,
    disconnect: ({ name }) => tunnels.disconnect(name),
    revoked({ token, allowed }) {
      tunnels.revoke(token, allowed);
      return null;
    },
    traffic: trafficElsewhere,
  };
  const pools = new Pools();
  return {
    version,
    domain,
    pool: (name, members, sessions) => pools.of(name, members, sessions),
    session(id, secret) {
      const { sessions } = tunnels;
      return sessions.verdict(id) ?? (sessions.find(id, secret) === undefined ? "unknown" : "known");
    },
    onSpliced: (link, client) => clients.onSpliced(link, client),
    answer(question) {
      // A newer relay may ask what this one does not know.
      if (Object.hasOwn(answers, question.about)) return answers[question.about](question as never);
      throw new TunnelError("unsupported", `this relay knows no question about '${question.about}'`);
    },
  };
}
