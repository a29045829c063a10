import fc from "fast-check";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { printable } from "mcp-tunnel-shared";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { rawExchange } from "../../../test/support/visitor.js";
import { createLogger } from "../src/cli/output/log-output.js";
import { isoTime, type Logger } from "../src/telemetry/log.js";
import {
  accessLog,
  combinedLog,
  createRelay,
  type ExchangeRecord,
  jsonLog,
  type RelayObserver,
  type RelayOptions,
} from "../src/index.js";

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
  code: fc.constantFrom("tunnel_timeout", "upstream_failed", undefined),
  detail: fc.option(text, { nil: undefined }),
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

it.each(["debug", "info", "warn", "error", "silent"] as const)(
  "writes the lines that pino would write at the level %s",
  async (level) => {
    let written = "";
    const write = (line: string): void => {
      written += line;
    };
    const ours = await createLogger({ write }, "json", level);
    const theirs = pino({ base: null, level, timestamp: () => ',"time":"T"' }, { write });
    const linesOf = (logger: Logger): string => {
      written = "";
      const fields = { name: undefined, port: 1, of: ["a", { b: null }], text: 'a "quote"' };
      for (const method of ["debug", "info", "warn", "error"] as const)
        logger[method](fields, `at ${method}`);
      logger.error({}, "nothing besides");
      return written.replaceAll(/"time":"[^"]*"/g, '"time":"T"');
    };
    expect(linesOf(ours)).toBe(linesOf(theirs));
  },
);

/**
 * Characters that the client's screen shows as escapes, except those that Unicode has not assigned or leaves
 * to others.
 */
const unseen = Array.from({ length: 0x10_ffff + 1 }, (_, code) => String.fromCodePoint(code)).filter(
  (character) => !/[\p{Cn}\p{Co}\p{Cs}]/u.test(character) && printable(character) !== character,
);

it.each<[string, (write: (line: string) => void) => RelayObserver | Promise<RelayObserver>]>([
  ["json", jsonLog],
  ["combined", combinedLog],
  ["pretty", async (write) => accessLog(await createLogger({ write }, "pretty", "info"))],
  ["the log's json", async (write) => accessLog(await createLogger({ write }, "json", "info"))],
])("lets no character pass that is not seen, as the client's screen does not: %s", async (_form, open) => {
  let line = "";
  const log = await open((written) => {
    line = written;
  });
  const [exchange] = fc.sample(record, 1) as [ExchangeRecord];
  expect(unseen.length).toBeGreaterThan(200);
  for (const character of unseen) {
    const said = `a${character}b`;
    log.onEnd({ ...exchange, address: "::1", name: said, method: said, path: said, detail: said });
    expect(line.trimEnd()).not.toContain(character);
  }
});

describe("the observers of a relay", () => {
  const opened = closingAfterEach();

  /** What a relay logs about a request for a tunnel that nobody has. */
  async function logged(options: Partial<RelayOptions>): Promise<string[]> {
    const messages: string[] = [];
    const log = (_fields: object, message: string): void => void messages.push(message);
    const logger = { debug: log, info: log, warn: log, error: log };
    const place = { domain: "localhost", host: "127.0.0.1", port: 0 };
    const relay = createRelay({ ...place, startupHoldMs: 0, logger, ...options });
    opened({ close: () => relay.close(0) });
    const { port } = await relay.listen();
    await rawExchange(port, "GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n\r\n");
    return messages;
  }

  it("are one that writes a line to the logger, if none are given", async () => {
    expect(await logged({})).toEqual(["request"]);
  });

  it("are none but those that are given", async () => {
    const paths: string[] = [];
    expect(await logged({ observers: [{ onEnd: ({ path }) => paths.push(path) }] })).toEqual([]);
    expect(paths).toEqual(["/"]);
    expect(await logged({ observers: [] })).toEqual([]);
  });
});

it("gives a line the time of a Date, whatever was asked for before", () => {
  const second = Date.UTC(2026, 10, 29, 23, 59, 59);
  const times = [second, second + 7, second + 999, second + 1_000, second + 999, 0, 1, second + 86_400_042];
  expect(times.map(isoTime)).toEqual(times.map((ms) => new Date(ms).toISOString()));
});
