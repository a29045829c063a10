import { describe, expect, it } from "vitest";
import { meet, parseAcknowledge, parseChecked, parseOffer, parseRegister } from "../src/index.js";

describe("the gate of a registration", () => {
  const parsed = (gate: unknown) => parseRegister(JSON.stringify({ token: "t", subdomain: "app", gate }));

  it.each([
    [["bearer"], "x"],
    [["oauth", "bearer", "basic"], "~".repeat(128)],
    [[], "only-addresses"],
    [["a-kind-of-later1"], "!"],
    [Array.from({ length: 8 }, (_, i) => `kind-${i}`), "x"],
  ])("is taken as it is: %j", (kinds, digest) => {
    const gate = { kinds, digest };
    expect(parsed(gate)).toEqual({ token: "t", subdomain: "app", gate });
  });

  it("may have fields that are not known yet", () => {
    expect(parsed({ kinds: ["oauth"], digest: "x", issuer: "https://a.test" })?.gate).toEqual({
      kinds: ["oauth"],
      digest: "x",
    });
  });

  it.each<[string, unknown]>([
    ["that is null", null],
    ["that is a word", "bearer"],
    ["that is true", true],
    ["without kinds", { digest: "x" }],
    ["without a digest", { kinds: ["bearer"] }],
    ["with a kind that is no text", { kinds: [1], digest: "x" }],
    ["with one kind, not a list", { kinds: "bearer", digest: "x" }],
    ["with an empty kind", { kinds: ["bearer", ""], digest: "x" }],
    ["with a long kind", { kinds: ["bearer", "k".repeat(17)], digest: "x" }],
    ["with a kind in capitals", { kinds: ["Bearer"], digest: "x" }],
    ["with a kind that moves the cursor of a terminal", { kinds: ["bearer\u001b[2J"], digest: "x" }],
    ["with nine kinds", { kinds: Array.from({ length: 9 }, () => "bearer"), digest: "x" }],
    ["with an empty digest", { kinds: ["bearer"], digest: "" }],
    ["with a long digest", { kinds: ["bearer"], digest: "x".repeat(129) }],
    ["with a digest of two lines", { kinds: ["bearer"], digest: "a\nb" }],
  ])("%s is none, and the rest of the message holds", (_, gate) => {
    const message = parsed(gate);
    expect(message).toMatchObject({ token: "t", subdomain: "app" });
    expect(message?.gate).toBeUndefined();
  });
});

describe("the claim of a registration", () => {
  const parsed = (claim: unknown) => parseRegister(JSON.stringify({ token: "t", claim }));

  it.each(["check", "if_free", "take"])("is %s", (claim) => {
    expect(parsed(claim)).toEqual({ token: "t", claim });
  });

  it("may be absent", () => {
    expect(parsed(undefined)).toEqual({ token: "t" });
  });

  it.each(["", "Check", "if-free", "unknown", "ask", "x".repeat(10_000), null, true, 1, ["check"], {}])(
    "is not known in any other form, so that it evicts nobody: %j",
    (claim) => {
      expect(parsed(claim)).toEqual({ token: "t", claim: "unknown" });
    },
  );
});

describe("the pool of a registration", () => {
  it("is asked for by true, and by nothing else", () => {
    const parsed = (pool: unknown) => parseRegister(JSON.stringify({ token: "t", pool }));
    expect(parsed(true)).toEqual({ token: "t", pool: true });
    expect(parsed(false)).toEqual({ token: "t", pool: false });
    // As with other switches: whoever sends this speaks another protocol.
    for (const pool of ["true", 1, null, {}]) expect(parsed(pool)).toBeUndefined();
  });

  it("is said in the acknowledgement", () => {
    const told = { subdomain: "app", url: "https://app.test" };
    expect(parseAcknowledge(JSON.stringify({ ...told, pool: true }))).toEqual({ ...told, pool: true });
    expect(parseAcknowledge(JSON.stringify(told))).toEqual(told);
  });
});

describe("two clients that want one name", () => {
  const client = (instance: string | undefined, pool?: string, owner = "t") => ({ instance, pool, owner });

  it.each([
    ["own", client("a"), client("a")],
    ["own", client("a", "x"), client("a", "y")],
    ["own", client("a", "x"), client("a")],
    ["fellow", client("a", "x"), client("b", "x")],
    ["fellow", client("a", ""), client("b", "")],
    ["other_gate", client("a", "x"), client("b", "y")],
    ["other_gate", client("a", ""), client("b", "y")],
    ["stranger", client("a"), client("b")],
    ["stranger", client("a", "x"), client("b")],
    ["stranger", client("a"), client("b", "x")],
    ["stranger", client("a", "x"), client("b", "x", "u")],
    ["stranger", client("a", "x"), client("a", "x", "u")],
    ["stranger", client(undefined), client(undefined)],
  ])("are to each other: %s", (meeting, older, newer) => {
    expect(meet(older, newer)).toBe(meeting);
    expect(meet(newer, older)).toBe(meeting);
  });
});

describe("the answer to a check", () => {
  const least = {
    requiresVisitorAuth: false,
    protocols: [1],
    relay: { version: "0.1.0" },
    resumeTimeoutMs: 60_000,
    maxResponseBody: 10,
  };

  it.each([
    least,
    { ...least, subdomain: "app", url: "https://app.test", inUse: true },
    { ...least, subdomains: ["app", "dev-*"] },
    { ...least, refused: { code: 4001, reason: "no" } },
  ])("is read: %j", (checked) => {
    expect(parseChecked(JSON.stringify({ checked: { ...checked, later: 1 } }))).toEqual({ checked });
  });

  it("is no acknowledgement and no offer, and those are no answer to a check", () => {
    const acknowledgement = { subdomain: "app", url: "https://app.test" };
    const checked = JSON.stringify({ checked: { ...least, ...acknowledgement } });
    expect(parseAcknowledge(checked)).toBeUndefined();
    expect(parseOffer(checked)).toBeUndefined();
    expect(parseChecked(JSON.stringify({ ...least, ...acknowledgement }))).toBeUndefined();
    expect(parseChecked(JSON.stringify({ subdomains: ["app"] }))).toBeUndefined();
  });

  it.each<[string, object]>([
    ["without versions", { protocols: undefined }],
    ["with a version that is no number", { protocols: ["1"] }],
    ["with more versions than there can be", { protocols: Array.from({ length: 17 }, (_, i) => i) }],
    ["with a name that is no text", { subdomain: 1 }],
    ["with a relay that says too much", { relay: { version: "1".repeat(65) } }],
    ["with a use that is neither", { inUse: "yes" }],
  ])("is not read %s", (_, wrong) => {
    expect(parseChecked(JSON.stringify({ checked: { ...least, ...wrong } }))).toBeUndefined();
  });
});

describe("the relay's package of the client", () => {
  const parsed = (clientPackage: unknown) =>
    parseAcknowledge(JSON.stringify({ subdomain: "app", url: "https://app.test", clientPackage }));
  const path = (version: string) => `/client-${version}-0123456789ab.tgz`;

  it.each(["0.1.0", "12.0.3", "1.0.0-rc.1", "1.0.0-2026-11-30"])("is taken in version %s", (version) => {
    expect(parsed({ version, path: path(version) })?.clientPackage).toEqual({
      version,
      path: path(version),
    });
  });

  it.each<[string, unknown]>([
    ["that is null", null],
    ["that is a path", "/client-0.1.0-0123456789ab.tgz"],
    ["without a path", { version: "0.1.0" }],
    ["without a version", { path: path("0.1.0") }],
    ["of another version than its path says", { version: "0.1.0", path: path("0.1.1") }],
    ["with half a version", { version: "0.1", path: path("0.1") }],
    ["with a command in the version", { version: "0.1.0-$(id)", path: path("0.1.0-$(id)") }],
    ["with a space in the version", { version: "0.1.0-a b", path: path("0.1.0-a b") }],
    ["with a line break behind it", { version: "0.1.0", path: `${path("0.1.0")}\n` }],
    ["with a terminal's colours", { version: "0.1.0-\u001b[31m", path: path("0.1.0-\u001b[31m") }],
    ["on another host", { version: "0.1.0", path: `//evil.test${path("0.1.0")}` }],
    ["with a URL", { version: "0.1.0", path: `https://evil.test${path("0.1.0")}` }],
    ["in another folder", { version: "0.1.0", path: `/..${path("0.1.0")}` }],
    ["with a slash in the version", { version: "0.1.0-/../x", path: path("0.1.0-/../x") }],
    ["with a query", { version: "0.1.0", path: `${path("0.1.0")}?x` }],
    ["without a hash", { version: "0.1.0", path: "/client-0.1.0.tgz" }],
    ["with a short hash", { version: "0.1.0", path: "/client-0.1.0-0123456789a.tgz" }],
    ["with a version without end", { version: `0.1.0-${"a".repeat(59)}`, path: "" }],
  ])("%s is none, and the rest of the message holds", (_, clientPackage) => {
    const message = parsed(clientPackage);
    expect(message).toMatchObject({ subdomain: "app" });
    expect(message?.clientPackage).toBeUndefined();
  });
});

describe("the numbers and texts of a registration", () => {
  const least = { token: "t" };
  const parsed = (fields: object) => parseRegister(JSON.stringify({ ...least, ...fields }));
  const received = (count: unknown) => ({
    resume: { session: "s", secret: "0123456789abcdef", received: count },
  });

  it.each<object>([
    { token: "t".repeat(16_384), subdomain: null },
    { subdomain: "s".repeat(1_024), window: 16_384 },
    { protocol: [], instance: "0123456789abcdef", window: 0x7fffffff },
    { protocol: [1, -2, Number.MAX_SAFE_INTEGER], client: { name: "", version: "v".repeat(64) } },
    received(0),
    received(Number.MAX_SAFE_INTEGER),
  ])("are taken up to their bounds", (fields) => {
    expect(parsed(fields)).toEqual({ ...least, ...fields });
  });

  it.each<object>([
    { token: "t".repeat(16_385) },
    { token: null },
    { subdomain: "s".repeat(1_025) },
    { subdomain: 1 },
    { protocol: [1.5] },
    { protocol: [2 ** 53] },
    { protocol: Array.from({ length: 17 }, () => 1) },
    { protocol: { 0: 1, length: 1 } },
    { instance: "short" },
    { instance: "i".repeat(129) },
    { window: 16_383 },
    { window: 0x80000000 },
    { client: { name: "n".repeat(65), version: "" } },
    { client: [] },
    { returning: 1 },
    received(-1),
    received(0.5),
    received(2 ** 53),
    received("1"),
  ])("make it no registration beyond them: %j", (fields) => {
    expect(parsed(fields)).toBeUndefined();
  });
});
