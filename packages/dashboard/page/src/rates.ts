import type { Overview, StatusClass } from "../../src/model.ts";

/** For how long what was is kept, in milliseconds. */
export const keptMs = 5 * 60_000;
/** A rate is taken over this time, in milliseconds, so that single requests do not make it jump. */
const rateMs = 10_000;

/** The answers of the last minutes, the oldest first. */
export type Overviews = readonly Overview[];

/** With one more. A relay that was started again counts from zero, so what was before is dropped. */
export function withOverview(before: Overviews, next: Overview): Overviews {
  const last = before.at(-1);
  if (last !== undefined && last.relay.startedAt !== next.relay.startedAt) return [next];
  // An answer of the past, from a clock that was set back.
  if (last !== undefined && next.at <= last.at) return last.at - next.at > rateMs ? [next] : before;
  return [...before.filter(({ at }) => next.at - at <= keptMs), next];
}

/** A count in an overview. */
export type Count = (overview: Overview) => number;

/** By how much a count has grown from one answer to another. A process that has died takes its own along. */
export function growthOf(count: Count, from: Overview, to: Overview): number {
  return Math.max(0, count(to) - count(from));
}

/** How fast a count grows now, in a second. Undefined with one answer. */
export function rateOf(count: Count, all: Overviews): number | undefined {
  const last = all.at(-1);
  const from = all.find(({ at }) => last !== undefined && last.at - at <= rateMs * 1.5);
  if (last === undefined || from === undefined || from === last) return undefined;
  return (growthOf(count, from, last) * 1_000) / (last.at - from.at);
}

/** A point of a chart. Its value is undefined where it is not known. */
export interface Point {
  readonly at: number;
  readonly value: number | undefined;
}

/** The rate of a count between each two answers. Each point is at the end of its time. */
export function ratePoints(count: Count, all: Overviews): readonly Point[] {
  return all.slice(1).map((to, i) => {
    const from = all[i]!;
    // Nobody looked, or the relay did not answer.
    const isHole = to.at - from.at > 45_000;
    const value = isHole ? undefined : (growthOf(count, from, to) * 1_000) / (to.at - from.at);
    return { at: to.at, value };
  });
}

export const allRequests: Count = ({ totals }) =>
  Object.values(totals.requests).reduce((sum, count) => sum + count, 0);

/** Answers of 5xx, and requests that got none. */
export const failedRequests: Count = ({ totals }) => totals.requests["5xx"] + totals.requests.none;

export const ofClass =
  (name: StatusClass): Count =>
  ({ totals }) =>
    totals.requests[name];
