import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as fieldValues from "../../packages/client/src/service/http/agreement/field-values.js";
import type { RedirectValue } from "../../packages/client/src/service/http/agreement/field-values.js";
import { References } from "../../packages/client/src/service/http/agreement/references.js";
import { fuzzTimeoutMs, runs } from "../../packages/protocol/test/support/fuzz.js";
import { bytes } from "./support/arbitraries.js";

// The value of a field that a service sends stays as it is, except for references to the service itself. This
// holds for any value. And no value of the greatest length that travels takes more time than its length
// justifies.

const {
  redirectReference,
  redirectRefresh,
  redirectLinks,
  redirectTaggedLists,
  redirectChallenges,
  withoutDomain,
} = fieldValues;
const redirects: [string, RedirectValue][] = [
  ["Location", redirectReference],
  ["Refresh", redirectRefresh],
  ["Link", redirectLinks],
  ["If", redirectTaggedLists],
  ["WWW-Authenticate", redirectChallenges],
];
const own = References.toAuthority("localhost:80");
/** A text that no generated value holds. */
const elsewhere = "m://ELSEWHERE";

const pieces = fc.constantFrom(
  ...["<", ">", '"', "'", "\\", "(", ")", "[", "]", ";", ",", "=", " ", "\t", "/", "?", "#", ":", "@", "."],
  ...["url", "URL=", "0", "5;", "resource_metadata", "resource_metadata=", "Bearer ", "rel=next", "a", "//"],
  ...["http://localhost.evil.test", "http://localhost:8", "http://x@localhost/", "https://localhost"],
);
/** The texts before and after a reference. */
const places = [
  ["", ""],
  ["", "/"],
  ["<", ">"],
  ["<", "/a?b>"],
  ["(<", ">)"],
  ["5; url=", "#a"],
  ["url='", "'"],
  ['"', '"'],
  ['resource_metadata="', '/a"'],
  ["resource_metadata=", ","],
] as const;
/** Values that write the service's own origin in one way only, so that it can be put back. */
const valueWithOwn = fc
  .tuple(
    fc.constantFrom(
      "http://localhost",
      "http://localhost:80",
      "HTTP://LOCALHOST:80",
      "https://localhost:80",
      "//localhost",
    ),
    fc.array(
      fc.oneof(
        { weight: 4, arbitrary: pieces.map((piece) => () => piece) },
        { weight: 1, arbitrary: bytes(4).map((piece) => () => piece) },
        {
          weight: 4,
          arbitrary: fc.constantFrom(...places).map(([before, behind]) => (spelling: string) => {
            return before + spelling + behind;
          }),
        },
      ),
      { minLength: 1, maxLength: 12, size: "max" },
    ),
  )
  .map(([spelling, parts]) => ({ spelling, value: parts.map((part) => part(spelling)).join("") }));

describe.each(redirects)("%s", (_field, redirect) => {
  it(
    "is the same but for references to the service, and has none of them after that",
    () => {
      let led = 0;
      fc.assert(
        fc.property(valueWithOwn, ({ spelling, value }) => {
          // The value may, by chance, hold another spelling than the one that is put back.
          fc.pre(!value.replaceAll(spelling, "").includes(":80"));
          const result = redirect(value, own, elsewhere);
          const marker = spelling.startsWith("//") ? "//ELSEWHERE" : elsewhere;
          expect(result.replaceAll(marker, spelling)).toBe(value);
          for (const { index } of result.matchAll(/ELSEWHERE/g)) {
            expect(["", "/", "?", "#", ">", '"', "'", ",", " ", "\t"]).toContain(result.charAt(index + 9));
          }
          expect(redirect(result, own, elsewhere)).toBe(result);
          if (result !== value) led += 1;
        }),
        runs(3_000),
      );
      expect(led).toBeGreaterThan(0);
    },
    fuzzTimeoutMs,
  );

  it.each([
    ...[
      '"',
      "<",
      "<>",
      "\\",
      '"\\',
      '\\"',
      '""',
      "(",
      "()",
      "(<",
      ";",
      ",",
      "=",
      " ",
      "\t",
      "' ",
      "a",
      "a=",
      "a ",
    ],
    ...['a="', "a=,", "url=", "0", "0;", "/", "//", "h", "http://localhost/", "<http://localhost/>,", ":"],
    ...["resource_metadata=", 'resource_metadata="', "resource_metadata=http://localhost,"],
  ])("takes no longer than it is long: %j", (piece) => {
    const value = piece.repeat(262_144 / piece.length);
    const startedAt = performance.now();
    expect(redirect(value, own, "https://demo.test").length).toBeGreaterThanOrEqual(value.length);
    // One step for each pair of characters would take a minute.
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});

describe("Set-Cookie", () => {
  const attribute = fc.oneof(
    fc.constantFrom(
      "Domain=localhost",
      " domain = .LocalHost ",
      "Domain=x.test",
      "Domain",
      "Domain=",
      "Path=/",
      " Secure",
      "",
    ),
    bytes(6).filter((text) => !/;|domain/i.test(text)),
  );

  it(
    "is the same but for Domain",
    () => {
      fc.assert(
        fc.property(fc.array(attribute, { minLength: 1, maxLength: 8 }), (parts) => {
          const cookie = parts.join(";");
          const result = withoutDomain(cookie, "localhost");
          const others = (text: string) =>
            text.split(";").filter((part, i) => i === 0 || !/^\s*domain\s*=/i.test(part));
          expect(others(result)).toEqual(others(cookie));
          expect([cookie, others(cookie).join(";")]).toContain(result);
        }),
        runs(2_000),
      );
    },
    fuzzTimeoutMs,
  );

  it.each([";", "; ", ";domain=localhost", ";=", "; domain"])(
    "takes no longer than it is long: %j",
    (piece) => {
      const startedAt = performance.now();
      withoutDomain(`a${piece.repeat(262_144 / piece.length)}`, "localhost");
      expect(performance.now() - startedAt).toBeLessThan(5_000);
    },
  );
});
