import fc from "fast-check";
import type { RawHeaders } from "mcp-tunnel-protocol";
import { expect, it, vi } from "vitest";
import { fuzzTimeoutMs, runs } from "../../packages/protocol/test/support/fuzz.js";
import { bytes } from "./support/arbitraries.js";
import { createGate } from "../../packages/gate/src/gate.js";
import {
  basic,
  fakeOAuth,
  key,
  keys,
  otherKey,
  token,
  users,
  visitOf,
} from "../../packages/gate/test/support.js";

vi.mock(import("../../packages/gate/src/oauth/create.js"), () => ({ createOAuth: async () => fakeOAuth() }));

// Whatever a visitor sends, the service gets it only with a proof, or from a place that is for everybody. And
// no service sees a proof of the gate, or a field that says who visits and is not the gate's own.

const secrets = [key, otherKey, token, basic("ann", "swordfish").slice(6)];

/** Spellings of the names that count, and other names. */
const name = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      ...[
        "Authorization",
        "authorization",
        "AUTHORIZATION",
        "X-API-Key",
        "x-api-key",
        "X_API_KEY",
        "x.api.key",
      ],
      ...[
        "X-Tunnel-User",
        "x_tunnel_user",
        "X-Tunnel-Client",
        "X-TUNNEL_SCOPE",
        "X-Tunnel-Visitor",
        "Cookie",
      ],
      ...["Service-Worker", "Origin", "Access-Control-Request-Method", "Upgrade", "Proxy-Authorization"],
      ...["X-Original-URL", "X-Authorization", "Authorization-", "Accept", "Content-Type", "__proto__"],
    ),
  },
  { weight: 1, arbitrary: bytes(16) },
);
const nearly = fc.constantFrom(...secrets).chain((secret) =>
  fc.oneof(
    fc.constant(secret),
    fc.nat(secret.length).map((at) => secret.slice(0, at)),
    fc.constantFrom(
      secret.toUpperCase(),
      `${secret}\0`,
      `${secret},${secret}`,
      `"${secret}"`,
      ` ${secret}\t`,
    ),
  ),
);
const value = fc.oneof(
  { weight: 3, arbitrary: nearly },
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        fc.constantFrom("Bearer ", "bearer  ", "BASIC ", "Basic ", "Bearer\t", "Bearer,", "Token "),
        nearly,
      )
      .map((parts) => parts.join("")),
  },
  { weight: 1, arbitrary: fc.constantFrom("", "script", "POST", "websocket", "https://page.test", "forged") },
  { weight: 1, arbitrary: bytes(40) },
);
const target = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...["/", "/mcp", "//", "*", "", "/.well-known/mcp-registry-auth", "/.well-known/acme-challenge/a"],
      ...["/.well-known/acme-challenge/../mcp", "/.well-known/acme-challenge/a?/..", "http://a/mcp"],
      ...["/.well-known/mcp-registry-auth/%2e%2e/mcp", "/.well-known/oauth-protected-resource/mcp"],
    ),
  },
  { weight: 1, arbitrary: bytes(20).map((text) => `/.well-known/acme-challenge/${text}`) },
);
const method = fc.constantFrom("GET", "HEAD", "POST", "OPTIONS", "CONNECT", "TRACE", "get");

/** The rule in other words than the gate's: what the fields prove, if they can be read in one way only. */
function proves(headers: RawHeaders): boolean {
  const valuesOf = (wanted: string): string[] =>
    headers.filter((_, at) => at % 2 === 1 && headers[at - 1]?.toLowerCase() === wanted);
  const [authorizations, apiKeys] = [valuesOf("authorization"), valuesOf("x-api-key")];
  if (authorizations.length > 1 || apiKeys.length > 1) return false;
  if (keys.some((known) => known.key === apiKeys[0])) return true;
  const [, scheme, shown] = /^\s*(\S+) +(.*?)\s*$/s.exec(authorizations[0] ?? "") ?? [];
  if (scheme?.toLowerCase() === "bearer") return [key, otherKey, token].includes(shown ?? "");
  const pair = Buffer.from(shown ?? "", "base64").toString();
  return scheme?.toLowerCase() === "basic" && users.some((user) => pair === `${user.name}:${user.password}`);
}

const isForEverybody = (at: string): boolean =>
  at === "/.well-known/mcp-registry-auth" ||
  /^\/\.well-known\/acme-challenge\/[\w-]+$/.test(at.replace(/\n/g, "?"));

it("no request without a proof reaches the service, and no proof either", {
  timeout: fuzzTimeoutMs,
}, async () => {
  const gate = await createGate({ bearer: { keys }, basic: { users }, oauth: { passcode: "unchecked" } });
  const seen = { passed: 0, refused: 0 };
  const visits = fc.record({
    method,
    target,
    fields: fc.array(fc.tuple(name, value), { maxLength: 4 }),
  });
  fc.assert(
    fc.property(visits, ({ fields, ...line }) => {
      const headers = fields.flat();
      // Without an address there is no limit of tries, which would hide what is found.
      const verdict = gate.judge(visitOf(headers, { ...line, address: undefined }));
      if (verdict.kind !== "pass") {
        seen.refused += 1;
        return;
      }
      seen.passed += 1;
      if (verdict.identity === undefined) {
        expect(isForEverybody(line.target)).toBe(true);
        expect(["GET", "HEAD"]).toContain(line.method);
      } else expect(proves(headers)).toBe(true);
      const own = verdict.identity === undefined ? 0 : verdict.identity.client === undefined ? 2 : 6;
      const others = verdict.headers.slice(0, verdict.headers.length - own);
      for (let i = 0; i < others.length; i += 2) {
        const plain = others[i]?.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-");
        if (plain !== "x-tunnel-visitor") expect(plain).not.toMatch(/^x-tunnel-/);
        if (plain === "authorization" || plain === "x-api-key") {
          expect(proves([plain, ...others.slice(i + 1, i + 2)])).toBe(false);
        }
      }
    }),
    { ...runs(20_000) },
  );
  expect(seen.passed).toBeGreaterThan(100);
  expect(seen.refused).toBeGreaterThan(100);
  await gate.close();
});
