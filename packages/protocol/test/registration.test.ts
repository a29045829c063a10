import { describe, expect, it } from "vitest";
import { parseRegister } from "../src/index.js";

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
