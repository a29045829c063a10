import type * as nodeCrypto from "node:crypto";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { allowedAddresses } from "../src/credentials/allowed-addresses.js";
import { BasicUsers } from "../src/credentials/basic-users.js";
import { bearerKeys } from "../src/credentials/bearer-keys.js";
import { Secrets } from "../src/credentials/secrets.js";
import { basic, key, keys, otherKey, users } from "./support.js";

const { timingSafeEqual } = vi.hoisted(() => ({
  timingSafeEqual: vi.fn<(a: Buffer, b: Buffer) => boolean>(),
}));

vi.mock("node:crypto", async (original) => {
  const crypto = await original<typeof nodeCrypto>();
  timingSafeEqual.mockImplementation(crypto.timingSafeEqual);
  return { ...crypto, timingSafeEqual };
});

afterEach(() => void timingSafeEqual.mockClear());

const secret = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });

describe("the comparison of secrets", () => {
  /**
   * An attacker measures how long the gate takes to refuse a guess. If it stopped at the first candidate that
   * fits, or at the first character that does not, the time would tell him how near he is.
   */
  it("compares all of what was shown with every candidate, wherever the right one stands", () => {
    const known = new Secrets<number>();
    const secrets = ["one", "two, which is longer", "three"];
    secrets.forEach((secret, at) => known.add(secret, at));
    for (const shown of [...secrets, "", "tw", "another".repeat(1_000), "one", "on"]) {
      timingSafeEqual.mockClear();
      expect(known.find(shown)).toBe(secrets.includes(shown) ? secrets.indexOf(shown) : undefined);
      expect(timingSafeEqual).toHaveBeenCalledTimes(3);
      for (const [candidate, given] of timingSafeEqual.mock.calls) {
        expect([candidate.length, given.length]).toEqual([24, 24]);
      }
    }
  });

  it("takes no text for a secret that only begins with it, or is a part of it", () => {
    const property = fc.property(
      fc.array(secret, { minLength: 1, maxLength: 5 }),
      fc.array(secret, { maxLength: 5 }),
      fc.string({ unit: "grapheme" }),
      (secrets, others, more) => {
        const known = new Secrets<string>();
        for (const one of secrets) known.add(one, one);
        const tried = [
          ...others,
          ...secrets.flatMap((one) => [one, one + more, more + one, one.slice(1), `${one}\0`]),
        ];
        for (const shown of tried) expect(known.find(shown)).toBe(secrets.find((one) => one === shown));
      },
    );
    fc.assert(property);
  });

  it("has no owner twice for one secret", () => {
    const known = new Secrets<number>();
    expect([known.add("one", 1), known.add("one", 2), known.find("one")]).toEqual([true, false, 1]);
  });
});

describe("bearer keys", () => {
  it("are known by their names", () => {
    const known = bearerKeys(keys);
    expect(known.find(key)).toEqual({ user: "laptop" });
    expect(known.find(otherKey)).toEqual({ user: "server" });
    for (const shown of ["", "laptop", key.toUpperCase(), `${key} `, key.slice(0, -1)]) {
      expect(known.find(shown)).toBeUndefined();
    }
  });

  it.each([
    ["no keys", [], "bearer has no keys: nobody could come in"],
    ["a name that is empty", [{ name: "", key }], "the name of a key is empty"],
    [
      "a name with a control character",
      [{ name: "a\nb", key }],
      "the name of a key, 'a\\u000ab', has a control character",
    ],
    ["a long name", [{ name: "n".repeat(201), key }], "the name of a key is longer than 200 characters"],
    [
      "two keys of one name",
      [
        { name: "a", key },
        { name: "a", key: otherKey },
      ],
      "two keys have the name 'a'",
    ],
    [
      "one key of two names",
      [
        { name: "a", key },
        { name: "b", key },
      ],
      "the key 'b' is the same as another one: give each its own",
    ],
  ])("cannot be %s", (_what, given, message) => {
    expect(() => bearerKeys(given)).toThrow(
      expect.objectContaining({ code: "invalid_option", options: ["bearer"], message }),
    );
  });

  it.each(["", "fifteen-chars-1", "with a space in it", "umlauts-äöü-are-out", "tab\tin-the-middle-of"])(
    "cannot be %j, and the message does not show it",
    (given) => {
      expect(() => bearerKeys([{ name: "a", key: given }])).toThrow(
        expect.objectContaining({
          code: "invalid_option",
          message: "the key 'a' cannot be used: a key has at least 16 visible characters of ASCII",
        }),
      );
    },
  );
});

describe("users", () => {
  const known = new BasicUsers(users);
  const find = (name: string, password: string) => known.find(basic(name, password).slice("Basic ".length));

  it("are known by name and password together", () => {
    expect(find("ann", "swordfish")).toEqual({ user: "ann" });
    expect(find("Jörg", "übel: ja")).toEqual({ user: "Jörg" });
    expect(find("ann", "übel: ja")).toBeUndefined();
    expect(find("ANN", "swordfish")).toBeUndefined();
    expect(find("", "")).toBeUndefined();
    expect(known.find("")).toBeUndefined();
    expect(known.find("%%%")).toBeUndefined();
  });

  it("may write an accent as a character of its own", () => {
    expect(find("Jörg".normalize("NFD"), "übel: ja".normalize("NFD"))).toEqual({ user: "Jörg" });
  });

  it("are nobody's if they are too long to be brought to a normal form quickly", () => {
    // A stranger sends accents by the thousand, each in the wrong place.
    const right = Buffer.from("ann:swordfish").toString("base64");
    expect(known.find(right.padEnd(4_096))).toEqual({ user: "ann" });
    expect(known.find(right.padEnd(4_097))).toBeUndefined();
  });

  it("cannot be guessed with passwords of 16 characters or more", () => {
    expect(known.isGuessable).toBe(true);
    expect(new BasicUsers([{ name: "a", password: "x".repeat(16) }]).isGuessable).toBe(false);
  });

  it.each([
    ["no users", [], "basic has no users: nobody could come in"],
    ["a name with a colon", [{ name: "a:b", password: "p" }], "the user 'a:b' has a colon in his name"],
    ["a name that is empty", [{ name: "", password: "p" }], "the name of a user is empty"],
    [
      "two of one name",
      [
        { name: "ö", password: "secret-1" },
        { name: "ö".normalize("NFD"), password: "secret-2" },
      ],
      `two users have the name '${"ö".normalize("NFD")}'`,
    ],
    ["one without a password", [{ name: "a", password: "" }], "the password of the user 'a' is empty"],
    [
      "one with a long password",
      [{ name: "a", password: "secret".repeat(40) }],
      "the password of the user 'a' is longer than 200 characters",
    ],
    [
      "a password with a control character",
      [{ name: "a", password: "secret\0" }],
      "the password of the user 'a' has a control character",
    ],
  ])("cannot be %s", (_what, given, message) => {
    expect(() => new BasicUsers(given)).toThrow(
      expect.objectContaining({ code: "invalid_option", options: ["basic"], message }),
    );
  });
});

describe("allowed addresses", () => {
  it.each([
    ["10.1.2.3", true],
    ["::ffff:10.1.2.3", true],
    ["::FFFF:a01:203", true],
    ["160.79.111.255", true],
    ["2001:db8::7", true],
    ["2001:db9::7", false],
    ["11.1.2.3", false],
    ["::10.1.2.3", false],
    ["10.1.2.3, 11.1.2.3", false],
    ["", false],
    ["unknown", false],
    [undefined, false],
  ])("hold for %s: %s", (address, expected) => {
    expect(allowedAddresses(["10.0.0.0/8", "160.79.104.0/21", "2001:db8::/32"])(address)).toBe(expected);
  });

  it.each([
    [["10.0.0.0/8", "10.0.0/8"], "the allowed address '10.0.0/8' is not an IP address or a range"],
    [[""], "the allowed address '' is not"],
    [[], "allowAddresses is empty: nobody could come in"],
  ])("cannot be %j", (given, message) => {
    expect(() => allowedAddresses(given)).toThrow(
      expect.objectContaining({
        code: "invalid_option",
        options: ["allowAddresses"],
        message: expect.stringContaining(message),
      }),
    );
  });
});
