import { createService, startTunnelClient } from "mcp-tunnel-client";
import { createGate, type GateOptions } from "mcp-tunnel-gate";
import { gated } from "mcp-tunnel-gate/service";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { type OriginalTunnel, startOriginalRelay } from "../support/original-relay.js";
import { allKinds, type Canary, key, startCanary } from "./support/gated-world.js";

/**
 * The attack: an original relay passes on what visitors say of themselves, `X-Tunnel-*` and `X-Forwarded-*`
 * included, in messages that name a method and a path in words of their own. A visitor there calls himself
 * `X-Tunnel-User: owner`, or comes from an address that is allowed.
 *
 * The defence: the client drops those fields on every wire, and a gate that needs addresses does not work
 * where the relay tells none.
 */
const close = closingAfterEach();

async function start(
  version: "0.1" | "0.2",
  options: GateOptions = allKinds,
): Promise<{ canary: Canary; tunnel: OriginalTunnel }> {
  const relay = close(await startOriginalRelay({ version }));
  const canary = close(await startCanary());
  const service = gated(createService({ port: canary.port }), await createGate(options));
  const relayUrl = `http://127.0.0.1:${relay.port}`;
  const [tunnel, client] = await Promise.all([
    relay.nextTunnel(),
    startTunnelClient({ service, relayUrl, token: "token", subdomain: "app" }),
  ]);
  close(client);
  return { canary, tunnel };
}

const host = { host: "app.tunnel.example" };
const lies = {
  ...{ "x-tunnel-user": "owner", "X-Tunnel-Client": "c", X_Tunnel_Scope: "mcp", "x.tunnel.user": "owner" },
  ...{ "x-tunnel-visitor": "127.0.0.1", "x-forwarded-for": "127.0.0.1" },
};

describe.each(["0.1", "0.2"] as const)("on an original relay %s", (version) => {
  it("nobody gets past a gate, whatever the relay passes on", async () => {
    const { canary, tunnel } = await start(version);
    for (const path of [
      ...[
        "/mcp",
        "",
        "mcp",
        "*",
        "//mcp",
        "http://127.0.0.1/mcp",
        "/.mcp-tunnel/../mcp",
        "/mcp HTTP/1.1\r\nX: y",
      ],
      ...["/.well-known/acme-challenge/../mcp", "/.well-known/acme-challenge/a\n", "?x", "\\mcp"],
    ]) {
      for (const method of ["GET", "POST", "OPTIONS", "CONNECT", "get"]) {
        const { status } = await tunnel.request({ method, path, headers: { ...host, ...lies } }).answer;
        expect([path, method, [400, 401, 404, 405, 501, 502].includes(status)]).toEqual([path, method, true]);
      }
    }
    expect(canary.heard).toBe("");
  });

  it("a visitor with a key is who the gate says", async () => {
    const { canary, tunnel } = await start(version);
    const headers = { ...host, ...lies, authorization: `Bearer ${key}` };
    const { status, body } = await tunnel.request({ path: "/who", headers }).answer;
    expect(status).toBe(200);
    const fields = JSON.parse(body.toString()) as string[];
    const about = fields.filter((_, at) => /tunnel/i.test(fields[at - (at % 2)] as string));
    expect(about).toEqual(["X-Tunnel-User", "laptop"]);
    expect(canary.heard).not.toContain(key);
  });

  it("the gate's pages are at the relay's word, and not at a visitor's", async () => {
    const { tunnel } = await start(version);
    const headers = { host: "evil.test", "x-forwarded-host": "evil.test", forwarded: "host=evil.test" };
    const asked = tunnel.request({ path: "/.well-known/oauth-authorization-server", headers });
    const { status, body } = await asked.answer;
    expect(status).toBe(200);
    expect(JSON.parse(body.toString())).toMatchObject({ issuer: "https://app.tunnel.example" });
    expect(body.toString()).not.toContain("evil");
  });

  it("a gate that decides by addresses does not start, since nobody tells any", async () => {
    for (const options of [
      { allowAddresses: ["127.0.0.1"] },
      { basic: { users: [{ name: "ann", password: "short" }] } },
    ]) {
      await expect(start(version, options)).rejects.toThrow("which this relay does not tell");
    }
  });
});
