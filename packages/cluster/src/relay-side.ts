// The entry /relay: what a relay and its place in a cluster know of one another. Types alone, so that a relay
// without a cluster loads nothing of this package.
export type {
  Claimant,
  ClaimantInfo,
  ClaimResult,
  ClaimTerms,
  ClientIdentity,
  Directory,
  Verdict,
} from "./directory.js";
export type {
  Answers,
  Member,
  MemberHost,
  MemberRelay,
  MemberStatus,
  PoolMember,
  PoolSessions,
  Question,
  ReturnAnswer,
  ReturningClient,
  SharedStore,
  SharedText,
  SplicedClient,
} from "./member.js";
export type { Choice, Pool, Route, RouteHandler } from "./route.js";
