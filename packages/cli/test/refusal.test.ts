import { TunnelError } from "mcp-tunnel-protocol";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { TokenSource } from "../src/options/relay-options.js";
import { explainRefusal } from "../src/tunnel/refusal.js";

afterEach(() => vi.unstubAllEnvs());

const none: TokenSource = { kind: "none" };
const kept: TokenSource = { kind: "kept" };
const given: TokenSource = { kind: "given", by: "--token" };

function explained(
  message: string,
  token: TokenSource,
  code: "refused" | "evicted" | "taken" = "refused",
): string {
  const error = new TunnelError(code, message);
  explainRefusal(error, { token, client: { relayUrl: "https://r.test" } });
  return error.message;
}

const prefix = "the relay refused the registration: ";

describe("a refusal", () => {
  it("says that no token was given", () => {
    const hint = /no token was given.*--token-file <path>.*MCP_TUNNEL_TOKEN, or keep one with .* login$/;
    expect(explained(`${prefix}invalid token`, none)).toMatch(hint);
    expect(explained(`${prefix}your plan has ended`, none)).toMatch(
      /^the relay refused.*plan has ended; no token/,
    );
    vi.stubEnv("MCP_TUNNEL_TOKEN_FILE", "tokens.yaml");
    const both = explained(`${prefix}invalid token`, none);
    expect(both.match(/MCP_TUNNEL_CLIENT_TOKEN_FILE/g)?.length).toBe(1);
  });

  it("says that the token is the one of a login", () => {
    for (const message of [`${prefix}invalid token`, "token revoked", `${prefix}token expired`])
      expect(explained(message, kept)).toMatch(/login has kept the token for https:\/\/r\.test/);
  });

  it("says that the token is the one of a variable", () => {
    const variable: TokenSource = { kind: "given", by: "MCP_TUNNEL_TOKEN" };
    expect(explained(`${prefix}invalid token`, variable)).toMatch(/; the token is that of MCP_TUNNEL_TOKEN$/);
    expect(explained("disconnected by the operator", variable)).toBe("disconnected by the operator");
  });

  it("says the ways out of a name that is in use", () => {
    expect(explained("subdomain 'demo' is in use", given, "taken")).toBe(
      "subdomain 'demo' is in use; ask for another by --subdomain, or take this one with --takeover always",
    );
  });

  it.each([
    [`${prefix}invalid token`, given],
    [`${prefix}subdomain 'www' is reserved on this relay`, none],
    [`${prefix}subdomain 'www' is reserved on this relay`, kept],
    [`${prefix}this token may have 1 tunnels at once`, none],
    [`${prefix}auth provider unavailable`, none],
    ["the relay takes only tunnels with a gate that asks visitors for a proof", none],
    ["disconnected by the operator", none],
    ["disconnected by the operator", kept],
  ])("stays as it is: %s", (message, token) => {
    expect(explained(message, token)).toBe(message);
  });

  it("is not an eviction", () => {
    expect(explained(`${prefix}invalid token`, none, "evicted")).toBe(`${prefix}invalid token`);
  });
});
