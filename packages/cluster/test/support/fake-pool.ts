import type { PoolMember, PoolSessions } from "../../src/member.js";
import type { Choice, Pool, Route } from "../../src/route.js";

/** A pool whose first member that is not away gets every request. */
export class FakePool implements Pool {
  readonly members: readonly PoolMember[];
  readonly sessions: PoolSessions;
  readonly takesRefusals = false;

  constructor(members: readonly PoolMember[], sessions: PoolSessions) {
    this.members = members;
    this.sessions = sessions;
  }

  get isAway(): boolean {
    return this.members.every(({ route }) => route.isAway);
  }

  /** The instances of its clients. */
  get instances(): string[] {
    return this.members.map(({ info }) => info.instance ?? "").toSorted((a, b) => (a < b ? -1 : 1));
  }

  pick(_headers: readonly string[], refused: readonly Route[]): Choice | undefined {
    const member = this.members.find(({ route }) => !route.isAway && !refused.includes(route));
    return member && { route: member.route, onHead() {}, onReset() {} };
  }

  count(): void {}

  tellRefusals(): void {}
}
