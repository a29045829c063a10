import { hash } from "node:crypto";
import type { Choice, Pool, PoolMember, PoolSessions, Route } from "mcp-tunnel-cluster/relay";
import {
  headerValue,
  type RawHeaders,
  type Refusal,
  type ResetCode,
  type ResponseHead,
} from "mcp-tunnel-protocol";
import { type KeptSession, KeptSessions } from "./pool-sessions.js";

/** How often in a row a member's service may be unreachable before the member is spared. */
const maxFailures = 3;
/** For how long it is spared, in milliseconds. */
const sparedMs = 10_000;
/**
 * How often other relays hear that a session is still in use, in milliseconds: they forget it after an hour.
 */
const tellEveryMs = 900_000;

/** The field by which a service and its visitors name a session (MCP 2025-11-25 and earlier). */
const sessionField = "mcp-session-id";

/** How a member has fared. */
interface Health {
  failures: number;
  /** Until then the member gets a request only if no other can take it. By `performance.now()`. */
  sparedUntil: number;
}

/** What a relay remembers of its pools while their members come and go. */
export class Pools {
  readonly sessions = new KeptSessions();
  readonly #health = new WeakMap<Route, Health>();
  readonly #random: () => number;

  /** `random`: as Math.random. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** The pool of the tunnels that have `name` now. `elsewhere`: what other relays know of its sessions. */
  of(name: string, members: readonly PoolMember[], elsewhere?: PoolSessions): Pool {
    return new TunnelPool(name, members, this, elsewhere);
  }

  healthOf(route: Route): Health {
    const known = this.#health.get(route);
    if (known !== undefined) return known;
    const health: Health = { failures: 0, sparedUntil: 0 };
    this.#health.set(route, health);
    return health;
  }

  /** A whole number from 0 to `below` - 1. */
  draw(below: number): number {
    return Math.floor(this.#random() * below);
  }
}

/** The tunnels that serve a name together. When they change there is another pool. */
class TunnelPool implements Pool {
  readonly #name: string;
  readonly #members: readonly PoolMember[];
  readonly #pools: Pools;
  readonly #elsewhere: PoolSessions | undefined;

  constructor(
    name: string,
    members: readonly PoolMember[],
    pools: Pools,
    elsewhere: PoolSessions | undefined,
  ) {
    this.#name = name;
    this.#members = members;
    this.#pools = pools;
    this.#elsewhere = elsewhere;
  }

  get isAway(): boolean {
    return this.#members.every(({ route }) => route.isAway);
  }

  get takesRefusals(): boolean {
    return this.#members.some(({ route }) => route.takesRefusals);
  }

  count(requestBytes: number, responseBytes: number): void {
    this.#members[0]?.route.count(requestBytes, responseBytes);
  }

  tellRefusals(refusals: readonly Refusal[]): void {
    this.#members.find(({ route }) => route.takesRefusals)?.route.tellRefusals(refusals);
  }

  pick(headers: RawHeaders, refused: readonly Route[]): Choice | undefined | Promise<Choice | undefined> {
    const digest = digestIn(headers);
    if (digest === undefined) return this.#draw(refused);
    const kept = this.#pools.sessions.find(this.#name, digest);
    if (kept !== undefined) {
      const member = this.#members.find((one) => keyOf(one) === kept.member);
      if (member !== undefined) this.#tell(digest, kept, member);
      return this.#stay(member, refused);
    }
    if (this.#elsewhere === undefined) return this.#draw(refused);
    return this.#elsewhere.find(digest).then((member) => {
      if (member !== undefined) this.#keep(digest, member);
      return this.#stay(member, refused);
    });
  }

  /**
   * The member that has the request's session. While its client has lost its connection the request waits: no
   * other member knows the session, and after a moment this one is back. A member whose service cannot be
   * reached may have lost the session as well, and its visitor does better to begin another one elsewhere.
   */
  #stay(member: PoolMember | undefined, refused: readonly Route[]): Choice | undefined {
    if (member === undefined || this.#isSpared(member)) return this.#draw(refused);
    return member.route.isAway || refused.includes(member.route) ? undefined : this.#choose(member);
  }

  /** The less loaded of two members that are drawn at random. */
  #draw(refused: readonly Route[]): Choice | undefined {
    const open = this.#members.filter(({ route }) => !route.isAway && !refused.includes(route));
    const sound = open.filter((member) => !this.#isSpared(member));
    if (sound.length === 0) {
      const [soonest] = open.toSorted((a, b) => this.#sparedUntil(a) - this.#sparedUntil(b));
      return soonest && this.#choose(soonest);
    }
    const first = this.#pools.draw(sound.length);
    const rest = sound.toSpliced(first, 1);
    const one = sound[first] as PoolMember;
    const other = rest[this.#pools.draw(rest.length)] ?? one;
    return this.#choose(other.route.streamCount < one.route.streamCount ? other : one);
  }

  #sparedUntil({ route }: PoolMember): number {
    return this.#pools.healthOf(route).sparedUntil;
  }

  #isSpared(member: PoolMember): boolean {
    return this.#sparedUntil(member) > performance.now();
  }

  #choose(member: PoolMember): Choice {
    const health = this.#pools.healthOf(member.route);
    return {
      route: member.route,
      onHead: (head: ResponseHead) => {
        health.failures = 0;
        health.sparedUntil = 0;
        const digest = head.status < 400 ? digestIn(head.headers) : undefined;
        if (digest !== undefined) this.#keep(digest, member);
      },
      onReset: (code: ResetCode) => {
        if (code !== "upstream_unreachable") return;
        health.failures += 1;
        if (health.failures >= maxFailures) health.sparedUntil = performance.now() + sparedMs;
      },
    };
  }

  #keep(digest: string, member: PoolMember): void {
    this.#tell(digest, this.#pools.sessions.keep(this.#name, digest, keyOf(member)), member);
  }

  /** Tells the other relays of a session, now and then. */
  #tell(digest: string, kept: KeptSession, member: PoolMember): void {
    const now = performance.now();
    if (this.#elsewhere === undefined || now - kept.toldAt < tellEveryMs) return;
    if (kept.toldAt === Number.NEGATIVE_INFINITY && !this.#pools.sessions.mayTell(this.#name)) return;
    kept.toldAt = now;
    this.#elsewhere.keep(digest, member);
  }
}

/**
 * A session stays with the client process, which may get another tunnel. A client of a pool has said which it
 * is.
 */
function keyOf({ info }: PoolMember): string {
  return info.instance ?? "";
}

/** Ids of sessions are secrets of the service and its visitors, and of any length. */
function digestIn(headers: RawHeaders): string | undefined {
  const id = headerValue(headers, sessionField);
  return id === undefined || id === "" ? undefined : hash("sha256", id, "base64url");
}
