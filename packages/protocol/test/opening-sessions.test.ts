import { describe, expect, it } from "vitest";
import { type OpeningSession, TunnelError } from "mcp-tunnel-protocol";
import { JsonRelaySession, V1RelaySession } from "mcp-tunnel-protocol/sessions";
import { linkedPair } from "mcp-tunnel-protocol/testing";

const handler = { onClose() {} };
const silence = { onData() {}, onEnd() {}, onReset() {} };
const refusal = {
  code: "url_too_long",
  status: 414,
  count: 1,
  method: "GET",
  path: "/",
  limit: undefined,
} as const;

function v1(): OpeningSession {
  const session = new V1RelaySession(handler);
  session.attach(linkedPair()[0], 0);
  return session;
}

const json = (): OpeningSession => new JsonRelaySession(linkedPair()[0], handler);

describe("a relay's session", () => {
  it.each([
    ["version 1", v1, true],
    ["JSON", json, false],
  ])("of %s says what its wire can do", (_wire, open, can) => {
    const session = open();
    expect(session.carries).toEqual({ upgrades: can, interim: can, trailers: can });
    expect(open().carries).toBe(session.carries);
    expect([session.leaving, session.heldBytes]).toEqual([false, 0]);
    session.open({ method: "GET", path: "/", headers: [] }, true, silence);
    expect(session.heldBytes > 0).toBe(can);
    expect(session.tellRefused([refusal])).toBe(can);
    session.goaway();
    expect(session.leaving).toBe(can);
    session.close(1000, "");
  });
});

describe("an error", () => {
  it("has no properties for details that were not given", () => {
    expect(Object.keys(new TunnelError("timeout", "late")).toSorted()).toEqual(["code", "name"]);
    const cause = new Error("beneath");
    const error = new TunnelError("unavailable", "no file", { cause, options: ["cert"], file: "a.pem" });
    expect(error).toMatchObject({ cause, options: ["cert"], file: "a.pem" });
  });
});
