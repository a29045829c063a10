import { expect, it } from "vitest";
import { latenciesOf, parseH2load } from "../src/load/h2load.js";

function said(requests: string, protocol = "Application protocol: h2\n"): string {
  return `starting benchmark...
${protocol}Main benchmark duration is over for thread #0. Stopping all clients.

finished in 1.50s, 1234.00 req/s, 1.28MB/s
requests: ${requests}
status codes: 1234 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 1.28MB (1340000) total, 60.25KB (61700) headers (space savings 39.02%), 1.81MB (1900000) data
`;
}

const all = "1298 total, 1298 started, 1234 done, 1234 succeeded, 0 failed, 0 errored, 0 timeout";

it("reads what h2load measured", () => {
  const expected = { requests: 1_234, requestsPerSecond: 1_234, bytes: 1_340_000 };
  expect(parseH2load(said(all), "2")).toEqual(expected);
  expect(parseH2load(said(all, ""), "1.1")).toEqual(expected);
});

it("takes no result in which requests failed, or of another protocol", () => {
  const some = "9 total, 9 started, 9 done, 8 succeeded, 1 failed, 0 errored, 0 timeout";
  expect(() => parseH2load(said(some), "2")).toThrow("no answer to some");
  expect(() => parseH2load(said(all), "1.1")).toThrow("h2 was spoken, not http/1.1");
  expect(() => parseH2load("h2load: option requires an argument", "2")).toThrow("unexpected");
});

it("takes percentiles from its log", () => {
  const log = Array.from({ length: 101 }, (_, i) => `1700000000000000\t200\t${i * 1_000}\n`).join("");
  expect(latenciesOf(log)).toEqual({ p50Ms: 50, p99Ms: 99 });
});
