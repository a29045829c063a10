/**
 * What one of each costs, in microseconds of CPU time and in bytes. Those with a row are measured by
 * `npm run bench -- --cluster` and stand in docs/performance.md, which says when and where.
 */
export interface Constants {
  /** Row `get-64`, at 64 connections: the relay that is alone, and its client. */
  readonly aloneUs: number;
  readonly clientUs: number;
  /** The same with a hop: the relay of the visitor, and that of the tunnel. */
  readonly frontUs: number;
  readonly ownerUs: number;
  /** What a splice adds, in the relay in the middle and in the one with the session. */
  readonly spliceUs: number;
  /** Row `register`: a relay's part of a client that comes. */
  readonly registerUs: number;
  /** A tunnel that nobody visits, in a second: its pings. Row `idle-5000`. */
  readonly idleUs: number;
  /**
   * The engine's calls, in Redis. `compareUs`: for each name. `tellUs`: an event, for each relay that hears
   * it.
   */
  readonly redis: {
    readonly claimUs: number;
    readonly releaseUs: number;
    readonly changeUs: number;
    readonly findUs: number;
    readonly compareUs: number;
    readonly tellUs: number;
    /** A renewal and the look at the relays: so much, and for each relay of the cluster so much. */
    readonly renewUs: number;
    readonly renewEachUs: number;
    readonly bytesPerName: number;
  };
  /** The same at the relay, but for what is in `registerUs`. `hearUs`: an event. */
  readonly engine: {
    readonly findUs: number;
    readonly compareUs: number;
    readonly hearUs: number;
  };
  /** Memory of a relay without tunnels, for a tunnel, and for a name of another relay that it knows. */
  readonly relayBytes: number;
  readonly tunnelBytes: number;
  readonly knownBytes: number;
  /** What a name and its client take in a comparison, on the way to Redis. */
  readonly comparedBytes: number;
}

/** 2026-11-30, two cores of a virtual machine (AMD EPYC) with nothing else to do, Node 20, Redis 7.0. */
export const measured: Constants = {
  aloneUs: 42,
  clientUs: 41,
  frontUs: 40,
  ownerUs: 17,
  spliceUs: 10,
  registerUs: 1_000,
  idleUs: 4,
  redis: {
    claimUs: 32,
    releaseUs: 19,
    changeUs: 14,
    findUs: 12,
    compareUs: 3.6,
    tellUs: 0.66,
    renewUs: 23,
    renewEachUs: 0.84,
    bytesPerName: 600,
  },
  engine: { findUs: 18, compareUs: 7.7, hearUs: 3 },
  relayBytes: 75e6,
  tunnelBytes: 10e3,
  // Assumed: an entry with its route, places in two maps and their texts; then a line of `entryLine`.
  knownBytes: 1.5e3,
  comparedBytes: 330,
};

/** How often relays do what they do by themselves. */
export interface Times {
  readonly renewSeconds: number;
  /** Between two comparisons of all names of a relay. */
  readonly compareSeconds: number;
  /** How long a name that was looked up is used without another look. */
  readonly freshSeconds: number;
}

/** As the code has them: packages/cluster/src/names/lease.ts and elsewhere.ts. */
export const times: Times = { renewSeconds: 2, compareSeconds: 5, freshSeconds: 5 };

/** Bounds in the code. */
export const bounds = {
  /** packages/cluster/src/names/elsewhere.ts. */
  maxKnown: 100_000,
  /** The longest answer of a relay to another: packages/cluster/src/peers/questions.ts. */
  maxAnswerBytes: 16 * 1_048_576,
} as const;

/** A tunnel in the answer of a relay that lists its own: `mcp-tunnel status`. */
export const statusBytes = 400;
