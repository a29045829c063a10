import { describe, expect, it } from "vitest";
import { resolveName } from "../src/auth/authenticator.js";
import { isName, isPattern, matchesPattern } from "mcp-tunnel-protocol";
import { printable } from "mcp-tunnel-shared";
import { admitName, normalizeDomain } from "../src/tunnels/name.js";

describe("patterns", () => {
  it.each([
    ["myapp", "myapp", true],
    ["myapp", "myapp2", false],
    ["myapp", "MyApp", false],
    ["myapp-*", "myapp-dev", true],
    ["myapp-*", "myapp-", true],
    ["myapp-*", "myapp", false],
    ["*-preview", "x-preview", true],
    ["*-preview", "-preview", true],
    ["*-preview", "preview", false],
    ["pr-*-corp", "pr-12-corp", true],
    ["pr-*-corp", "pr--corp", true],
    ["pr-*-corp", "pr-corp", false],
    ["*", "", true],
    ["*", "anything", true],
  ])("%s and %s: %s", (pattern, name, expected) => {
    expect(matchesPattern(pattern, name)).toBe(expected);
  });

  it.each(["a", "*", "a*", "*a", "a*b", "A-1", "a-", "a".repeat(63)])("takes %s", (text) => {
    expect(isPattern(text)).toBe(true);
  });

  it.each(["", "**", "a*b*", "a.b", "a?", "a b", "ä", "a\n", "a".repeat(64)])("refuses %j", (text) => {
    expect(isPattern(text)).toBe(false);
  });
});

describe("the order in which a name is resolved", () => {
  it.each<[string[], string | undefined, string | undefined]>([
    // The client gets the requested name, if a pattern grants it.
    [["a", "b-*"], "b-1", "b-1"],
    [["a", "b-*"], "a", "a"],
    [["*"], "x", "x"],
    // Else it gets the only pattern, if that is a name, even if another was requested.
    [["a"], "other", "a"],
    [["a"], undefined, "a"],
    // Else it has to pick.
    [["a-*"], undefined, undefined],
    [["a-*"], "b", undefined],
    [["a", "b"], undefined, undefined],
    [["a", "b"], "c", undefined],
    [[], "c", undefined],
    // Names are DNS labels, so a client that writes one in capitals gets it as well.
    [["a-*"], "A-1", "A-1"],
  ])("allowed %j, requested %s: %s", (allowed, requested, expected) => {
    expect(resolveName(allowed, requested)).toBe(expected);
  });
});

describe("names", () => {
  it.each(["a", "0", "a-b", "a--b", "xn--bcher-kva", "a".repeat(63)])("takes %s", (name) => {
    expect(isName(name)).toBe(true);
  });

  it.each(["", "-a", "a-", "a_b", "a.b", "a b", "A", "ä", "a\n", "a\0", "a".repeat(64), "*"])(
    "refuses %j",
    (name) => {
      expect(isName(name)).toBe(false);
    },
  );

  const reserved = new Set(["www"]);

  it("keeps names in lower case", () => {
    expect(admitName("MyApp", ["*"], reserved)).toEqual({ name: "myapp" });
  });

  it("gives a reserved name only to a token that spells it out", () => {
    expect(admitName("www", ["*"], reserved)).toEqual({
      refused: "subdomain 'www' is reserved on this relay",
    });
    expect(admitName("WWW", ["w*"], reserved)).toHaveProperty("refused");
    expect(admitName("www", ["*", "www"], reserved)).toEqual({ name: "www" });
  });

  it("explains a refusal within the 123 bytes of a close reason", () => {
    const result = admitName("x".repeat(1000), ["*"], reserved);
    if (!("refused" in result)) throw new Error("was admitted");
    expect(Buffer.byteLength(result.refused)).toBeLessThanOrEqual(123);
    expect(result.refused).toContain("is not valid");
  });
});

describe("the domain", () => {
  it.each([
    ["localhost", "localhost"],
    ["Tunnel.Example.COM.", "tunnel.example.com"],
  ])("reads %s", (text, domain) => {
    expect(normalizeDomain(text)).toBe(domain);
  });

  it.each(["", ".", "https://a.test", "a.test:8080", "a.test/", "a..test", "*.a.test", "a b", "-a.test"])(
    "refuses %j",
    (text) => {
      expect(() => normalizeDomain(text)).toThrow(`the domain '${text}' is not usable`);
    },
  );
});

describe("text from strangers", () => {
  it.each([
    ["plain /path?x=ä", "plain /path?x=ä"],
    ["\u001b[31mred", "\\u001b[31mred"],
    ["a\r\nb", "a\\u000d\\u000ab"],
    ["\u009b2J", "\\u009b2J"],
    ["\u202etxt", "\\u202etxt"],
  ])("cannot move a terminal's cursor: %j", (text, expected) => {
    expect(printable(text)).toBe(expected);
  });
});
