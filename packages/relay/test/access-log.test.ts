import fc from "fast-check";
import { pino } from "pino";
import { expect, it } from "vitest";
import { accessLog, type ExchangeRecord, jsonLog } from "../src/index.js";

const text = fc.string({ unit: "binary" });
const record: fc.Arbitrary<ExchangeRecord> = fc.record({
  name: fc.option(text, { nil: undefined }),
  address: text,
  method: text,
  path: text,
  status: fc.option(fc.integer({ min: 100, max: 599 }), { nil: undefined }),
  requestBytes: fc.nat(),
  responseBytes: fc.maxSafeNat(),
  durationMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
  outcome: fc.constantFrom("completed", "refused", "cancelled", "cut"),
  reason: fc.option(text, { nil: undefined }),
  wire: fc.constantFrom("v1", "json", undefined),
  requestId: fc.option(fc.uuid(), { nil: undefined }),
  visitorRequestId: fc.option(fc.string({ unit: "grapheme-ascii" }), { nil: undefined }),
  httpVersion: fc.constant("1.1"),
  headers: fc.constant([]),
});

it("lines of JSON are those that pino would write, whatever stands in them", () => {
  let written = "";
  const write = (line: string): void => {
    written += line;
  };
  const ours = jsonLog(write);
  const theirs = accessLog(pino({ base: null, timestamp: () => ',"time":"T"' }, { write }));
  fc.assert(
    fc.property(record, (exchange) => {
      written = "";
      ours.onEnd(exchange);
      const line = written.replace(/"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/, '"time":"T"');
      written = "";
      theirs.onEnd(exchange);
      expect(line).toBe(written);
    }),
  );
});
