import { closeCodes, type LivenessOptions } from "mcp-tunnel-protocol";
import type { Engine } from "../engine/engine.js";
import type { ReturnAnswer, ReturningClient } from "../member.js";
import type { Peers } from "../peers/peers.js";
import { isOfRelayGone } from "../peers/relay-gone.js";
import { splice } from "./splice.js";

/** Separates the id of the relay that has a session from the rest of the session's id. */
const separator = ".";

export interface ReturnsParts {
  /** The id of this relay. */
  readonly node: string;
  readonly engine: Pick<Engine, "nodes" | "verdict">;
  readonly peers: Pick<Peers, "get">;
  readonly liveness: LivenessOptions | undefined;
}

/** Clients that come to this relay to go on with sessions of others. */
export class Returns {
  readonly #parts: ReturnsParts;

  constructor(parts: ReturnsParts) {
    this.#parts = parts;
  }

  /** Never rejects. See {@link Member.returning}. */
  async take(client: ReturningClient): Promise<ReturnAnswer> {
    const node = nodeOf(client.session);
    // The relay itself knows its own sessions. A session without a relay's id is older than the cluster.
    if (node === undefined || node === this.#parts.node) return "gone";
    const peer = this.#parts.peers.get(node);
    if (peer === undefined) return this.#withoutOwner(node, client.session, false);
    const { session, secret, address, isAtDomain } = client;
    try {
      const answer = await peer.splice({ session, secret, address, isAtDomain });
      if (answer === "unknown") return "gone";
      if ("refused" in answer) return answer;
      splice(client.link, answer, client.message, this.#parts.liveness);
      return "taken";
    } catch (error) {
      return this.#withoutOwner(node, session, isOfRelayGone(error));
    }
  }

  /** The relay that has the session does not answer. `isGone`: it is not there any more. */
  async #withoutOwner(node: string, session: string, isGone: boolean): Promise<ReturnAnswer> {
    const { engine } = this.#parts;
    try {
      const [nodes, verdict] = await Promise.all([engine.nodes(), engine.verdict(session)]);
      if (verdict !== undefined) return { refused: verdict };
      // A session that lives is worth another try: a new one would cut what is open on it.
      if (!isGone && nodes.some(({ id }) => id === node)) return { refused: unreachable };
      return "gone";
    } catch {
      return { refused: unreachable };
    }
  }
}

const unreachable = {
  code: closeCodes.tryAgainLater,
  reason: "the relay that has the session cannot be reached now",
};

function nodeOf(session: string): string | undefined {
  const end = session.indexOf(separator);
  return end > 0 ? session.slice(0, end) : undefined;
}
