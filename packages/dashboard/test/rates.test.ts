import { describe, expect, it } from "vitest";
import { allRequests, type Overviews, rateOf, ratePoints, withOverview } from "../page/src/rates.js";
import { TunnelRates } from "../page/src/tunnels/tunnel-rates.js";
import type { Overview } from "../src/model.js";
import { overviewOf, tunnelOf } from "./support/fixtures.js";

const { relay } = overviewOf();

function seen(at: number, count: number, startedAt = relay.startedAt): Overview {
  const none = overviewOf().totals.requests;
  return overviewOf({ at, relay: { ...relay, startedAt } }, { requests: { ...none, "2xx": count } });
}

const gathered = (...all: readonly Overview[]): Overviews => all.reduce<Overviews>(withOverview, []);

describe("rates of the relay", () => {
  it("are of the last ten seconds or so, and not known with one answer", () => {
    expect(rateOf(allRequests, gathered(seen(0, 5)))).toBeUndefined();
    expect(rateOf(allRequests, gathered(seen(0, 5), seen(2_000, 15)))).toBe(5);
    // What was a minute ago says nothing of now.
    expect(rateOf(allRequests, gathered(seen(0, 0), seen(60_000, 6_000), seen(70_000, 6_010)))).toBe(1);
    expect(rateOf(allRequests, gathered(seen(0, 0), seen(60_000, 6_000)))).toBeUndefined();
  });

  it("are never below zero, as when a process has died and took its counts along", () => {
    const all = gathered(seen(0, 500), seen(2_000, 100));
    expect(rateOf(allRequests, all)).toBe(0);
    expect(ratePoints(allRequests, all)).toEqual([{ at: 2_000, value: 0 }]);
  });

  it("begin anew with the relay", () => {
    expect(gathered(seen(0, 500), seen(2_000, 600), seen(4_000, 3, relay.startedAt + 1))).toHaveLength(1);
  });

  it("have a hole where nobody looked", () => {
    const points = ratePoints(
      allRequests,
      gathered(seen(0, 0), seen(2_000, 4), seen(100_000, 9), seen(102_000, 11)),
    );
    expect(points.map(({ value }) => value)).toEqual([2, undefined, 1]);
  });

  it("keep five minutes, and take no answer that is older than the last one", () => {
    const many = Array.from({ length: 300 }, (_, i) => seen(i * 2_000, i));
    const all = gathered(...many, seen(590_000, 1));
    const times = all.map(({ at }) => at);
    expect([Math.min(...times), times.at(-1)]).toEqual([298_000, 598_000]);
    // A clock that was set back by more than that is the new time.
    expect(gathered(seen(900_000, 1), seen(100_000, 2))).toHaveLength(1);
  });
});

it("tells tunnels of one name apart by their clients", () => {
  const rates = new TunnelRates();
  const one = tunnelOf("demo", {
    address: "192.0.2.1",
    since: 1,
    requests: 10,
    requestBytes: 0,
    responseBytes: 0,
  });
  const other = { ...one, address: "192.0.2.2", requests: 70 };
  rates.take([one, other], 1_000);
  expect(rates.of(one)).toBeUndefined();
  rates.take([{ ...one, requests: 14, responseBytes: 4_096 }, other], 3_000);
  expect(rates.of(one)).toEqual({ requests: 2, bytes: 2_048 });
  expect(rates.of(other)).toEqual({ requests: 0, bytes: 0 });
  // A client that has come back counts from zero.
  rates.take([{ ...one, requests: 0 }], 5_000);
  expect(rates.of(one)).toEqual({ requests: 0, bytes: 0 });
  expect(rates.of(other)).toBeUndefined();
});
