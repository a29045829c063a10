import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { ownPaths } from "../src/paths.js";
import type { Visit } from "../src/visit.js";
import { origin, startOAuth } from "./oauth-rig.js";
import type { OAuthRig } from "./oauth-rig.js";

const closing = closingAfterEach();
const start = async (options?: Parameters<typeof startOAuth>[0]): Promise<OAuthRig> =>
  closing(await startOAuth(options));

const visitTo = (target: string): Visit => ({
  method: "POST",
  target,
  headers: [],
  address: undefined,
  origin,
});

describe("metadata of the resource (RFC 9728)", () => {
  it.each([
    ["", origin],
    ["/mcp", `${origin}/mcp`],
    ["/a/b/", `${origin}/a/b/`],
    ["/mcp?key=1", `${origin}/mcp?key=1`],
  ])("at %j is of the URL that was dialled: VS Code takes no other", async (rest, resource) => {
    const rig = await start({ title: "demo" });
    const reply = await rig.ask(`/.well-known/oauth-protected-resource${rest}`);
    expect(reply).toMatchObject({ status: 200, headers: { "access-control-allow-origin": "*" } });
    expect(reply.json).toEqual({
      ...{ resource, authorization_servers: [origin], scopes_supported: ["mcp"] },
      ...{ bearer_methods_supported: ["header"], resource_name: "demo" },
    });
  });

  it.each([
    ["/", origin],
    ["/mcp", `${origin}/mcp`],
    ["/a/b?c=d", `${origin}/a/b?c=d`],
    ["*", origin],
    ['/a"b', origin],
    [`/${"a".repeat(2_000)}`, origin],
  ])("is what the challenge at %j points at", async (target, resource) => {
    const rig = await start();
    const challenge = rig.oauth.challenge(visitTo(target), false);
    const url = new URL(/resource_metadata="([^"]*)"/.exec(challenge)?.[1] ?? "");
    expect(url.origin).toBe(origin);
    const { json } = await rig.ask(url.pathname + url.search);
    expect(json.resource).toBe(resource);
  });

  it("is asked for with the scope, and with the error if there was a token", async () => {
    const rig = await start();
    const rest = `resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp", scope="mcp"`;
    expect(rig.oauth.challenge(visitTo("/mcp"), false)).toBe(`Bearer ${rest}`);
    expect(rig.oauth.challenge(visitTo("/mcp"), true)).toMatch(
      /^Bearer error="invalid_token", .*scope="mcp"$/,
    );
  });
});

describe("metadata of the server (RFC 8414)", () => {
  it.each([
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/mcp",
    "/mcp/.well-known/openid-configuration",
  ])("is at %s, where one host or another looks", async (target) => {
    const rig = await start();
    expect(rig.oauth.owns(target)).toBe(true);
    const { status, json, headers } = await rig.ask(target, {
      headers: { origin: "https://inspector.test" },
    });
    expect(status).toBe(200);
    expect(headers["access-control-allow-origin"]).toBe("*");
    expect(json).toMatchObject({
      issuer: origin,
      authorization_endpoint: origin + ownPaths.authorize,
      code_challenge_methods_supported: ["S256"],
      grant_types_supported: ["authorization_code", "refresh_token"],
      client_id_metadata_document_supported: true,
      authorization_response_iss_parameter_supported: true,
    });
    // Claude takes metadata documents only beside `none`. ChatGPT would prefer private_key_jwt.
    const { token_endpoint_auth_methods_supported: methods } = json as object as Record<string, string[]>;
    expect(methods).toContain("none");
    expect(methods).not.toContain("private_key_jwt");
  });

  it("names endpoints that are there", async () => {
    const rig = await start();
    const { json } = await rig.ask("/.well-known/oauth-authorization-server");
    const named = json as object as Record<string, string>;
    for (const name of ["token_endpoint", "registration_endpoint", "revocation_endpoint"]) {
      const { pathname } = new URL(named[name] ?? "");
      const preflight = await rig.ask(pathname, {
        method: "OPTIONS",
        headers: { origin: "https://a.test", "access-control-request-headers": "mcp-protocol-version" },
      });
      expect(preflight).toMatchObject({
        status: 204,
        headers: {
          "access-control-allow-origin": "*",
          "access-control-allow-methods": "POST",
          "access-control-allow-headers": "mcp-protocol-version",
        },
      });
      const reply = await rig.ask(pathname, {
        method: "POST",
        headers: { accept: "text/html", origin: "https://a.test" },
      });
      expect(reply.headers["access-control-allow-origin"]).toBe("*");
      expect([400, 401]).toContain(reply.status);
      expect(reply.json.error).toBeDefined();
    }
    expect((await rig.ask(new URL(named["jwks_uri"] ?? "").pathname)).json).toMatchObject({
      keys: [{ kty: "EC" }],
    });
  });
});

describe("targets", () => {
  it.each([
    ["/", false],
    ["/mcp", false],
    ["/.mcp-tunnelx", false],
    ["/.MCP-TUNNEL/token", false],
    ["/%2emcp-tunnel/token", false],
    ["//.mcp-tunnel/token", false],
    ["/.well-known/oauth-protected-resources", false],
    ["/.well-known/mcp-registry-auth", false],
    ["/mcp?/.well-known/openid-configuration", false],
    ["*", false],
    ["/.mcp-tunnel/", true],
    ["/.mcp-tunnel/anything", true],
    ["/.mcp-tunnel/authorize?client_id=x", true],
  ])("%j is the gate's own: %j", async (target, isOwn) => {
    const rig = await start();
    expect(rig.oauth.owns(target)).toBe(isOwn);
  });

  it.each([
    ["GET", "/.mcp-tunnel/anything", 404],
    ["GET", "/.mcp-tunnel/register/some-client", 404],
    ["GET", "/.mcp-tunnel/authorize/", 400],
    ["GET", "/.mcp-tunnel/AUTHORIZE", 404],
    ["GET", "/session/end/confirm", 404],
    ["POST", "/session/end/confirm", 404],
    ["GET", "/elsewhere", 404],
    ["POST", "/.mcp-tunnel/authorize", 405],
    ["HEAD", "/.mcp-tunnel/authorize", 405],
    ["GET", "/.mcp-tunnel/token", 405],
    ["PUT", "/.well-known/oauth-authorization-server", 405],
  ])("%s %s is answered with %i", async (method, target, status) => {
    const rig = await start();
    expect((await rig.ask(target, { method })).status).toBe(status);
  });
});
