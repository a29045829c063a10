import type { Member, MemberHost } from "mcp-tunnel-cluster/relay";
import { messageOf } from "mcp-tunnel-shared";
import type { Authenticator } from "../auth/authenticator.js";
import type { Logger } from "../telemetry/log.js";

/** What a place in a cluster needs of its relay's options. */
interface PlaceOptions {
  readonly authenticator: Authenticator;
  readonly logger: Logger;
}

/** A relay's place in its cluster, from the relay's start to its end. */
export class ClusterPlace {
  readonly #member: Member;
  readonly #host: MemberHost;
  readonly #options: PlaceOptions;
  #isTaken = false;
  #unwatch: (() => void) | undefined;

  constructor(member: Member, host: MemberHost, options: PlaceOptions) {
    this.#member = member;
    this.#host = host;
    this.#options = options;
  }

  /** @throws TunnelError `unavailable` when the port for relays, or the engine, is not to be had. */
  async take(): Promise<void> {
    const { authenticator, logger } = this.#options;
    await this.#member.join(this.#host);
    this.#isTaken = true;
    this.#unwatch = authenticator.watchRevoked?.((token, allowed) => void this.#tellRevoked(token, allowed));
    logger.info({ node: this.#member.node }, "cluster joined");
  }

  /**
   * The relay shuts down. Nobody waits until the others know, because the end of a relay depends on no other.
   */
  drain(): void {
    if (this.#isTaken) void this.#attempt(() => this.#member.drain());
  }

  /** Nothing is open any more. Resolves when the relay may end, for all that the other relays need of it. */
  async awaitOthers(): Promise<void> {
    if (this.#isTaken) await this.#attempt(() => this.#member.awaitOthers());
  }

  async giveUp(): Promise<void> {
    this.#unwatch?.();
    if (!this.#isTaken) return;
    this.#isTaken = false;
    await this.#attempt(() => this.#member.leave());
  }

  /**
   * The tunnels of a token that was taken back at this relay end wherever they are. Of one that has only lost
   * names, those end that have other names than `allowed`.
   */
  async #tellRevoked(token: string, allowed: readonly string[] | undefined): Promise<void> {
    await this.#attempt(async () => {
      const { silent } = await this.#member.ask({ about: "revoked", token, allowed });
      if (silent.length === 0) return;
      const what = allowed === undefined ? "is revoked" : "has lost names";
      this.#options.logger.warn({ token, silent }, `relays were not told that the token ${what}`);
    });
  }

  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#options.logger.error({ error: messageOf(error) }, "the cluster failed");
    }
  }
}
