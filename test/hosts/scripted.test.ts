import { request } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startV1Server } from "../mcp/servers.js";
import { closingAfterEach } from "../support/cleanup.js";
import { expectNoLeaks } from "../support/leaks.js";
import type { Host } from "./host.js";
import { hosts } from "./hosts.js";
import { ScriptedHost } from "./scripted.js";
import { createCurious, type Published, World } from "./world.js";

/** Undefined: it gets one when it registers. */
function idOf({ identity }: Host): string | undefined {
  return identity.by === "document" ? identity.document.client_id : undefined;
}

const claude = hosts[0] as Host;

const visits = hosts.flatMap((host) =>
  host.redirectUris.map((redirectUri) => [host.name, redirectUri, host] as const),
);

/** What a server answers that lets pages call it. The gate answers the preflights. */
const forPages = { "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Mcp-Session-Id" };

describe("hosts as they are known", () => {
  const closing = closingAfterEach();
  let world: World;
  let local: Awaited<ReturnType<typeof startV1Server>>;
  let published: Published;
  let withoutIss: Published;

  beforeAll(async () => {
    world = await World.start();
    local = await startV1Server(createCurious, undefined, forPages);
    const port = String(local.port);
    published = await world.publish("demo", [port, "--visitor-auth", "oauth,bearer"]);
    withoutIss = await world.publish("old", [
      port,
      "--visitor-auth",
      "oauth,bearer",
      "--visitor-auth-iss",
      "off",
    ]);
  });
  afterAll(async () => {
    await withoutIss?.close();
    await published?.close();
    await local?.close();
    await world?.close();
  });

  /** A host that has not asked for anything yet. */
  function comeTo(server: Published, host: Host, redirectUri = host.redirectUris[0] as string): ScriptedHost {
    const visitor = world.visitor();
    closing({ close: () => visitor.destroy() });
    return new ScriptedHost(host, server.url, redirectUri, visitor);
  }

  it.each(visits)("%s comes in, and stays until it is revoked: %s", async (_name, redirectUri, host) => {
    const server = host.iss === "dropped" ? withoutIss : published;
    const client = comeTo(server, host, redirectUri);
    const first = await client.logIn(server.passcode);
    const grant = await server.nextGrant();
    const told = JSON.parse(await client.callTool("visitor", {})) as Record<string, string>;
    // The service knows the client by its name, and not by its token.
    expect(told).toEqual({
      "x-tunnel-user": "owner",
      "x-tunnel-client": idOf(host) ?? expect.any(String),
      "x-tunnel-scope": "mcp",
    });

    const second = await client.refresh();
    expect(second).not.toBe(first);
    expect(await client.callTool("add", { a: 20, b: 22 })).toBe("42");

    await server.revoke(grant);
    expect(await client.visit(first)).toMatchObject({ status: 401 });
    expect(await client.visit(second)).toMatchObject({ status: 401 });
    await expect(client.refresh()).rejects.toThrow("invalid_grant");
  });

  it("fetches each document once", () => {
    const { fetched } = world.documents;
    expect(fetched).toEqual([...new Set(fetched)]);
  });

  it("lets a host stay when the client command starts again, unless it was revoked meanwhile", async () => {
    const args = [String(local.port), "--visitor-auth", "oauth,bearer"];
    const before = closing(await world.publish("again", args));
    const staying = comeTo(before, claude);
    const leaving = comeTo(before, claude);
    await staying.logIn(before.passcode);
    await before.nextGrant();
    await leaving.logIn(before.passcode);
    const grant = await before.nextGrant();
    await before.close();
    await before.revoke(grant);

    const after = closing(await world.publish("again", args));
    expect(after).toMatchObject({ url: before.url, passcode: before.passcode, key: before.key });
    expect(await staying.callTool("add", { a: 1, b: 1 })).toBe("2");
    await staying.refresh();
    expect(await staying.callTool("add", { a: 1, b: 2 })).toBe("3");
    expect(await leaving.visit()).toMatchObject({ status: 401 });
    await expect(leaving.refresh()).rejects.toThrow("invalid_grant");
  });

  it("tells a client that is not known any more so that it registers again", async () => {
    const visitor = world.visitor();
    closing({ close: () => visitor.destroy() });
    const { origin } = new URL(published.url);
    const about = await request(`${origin}/.well-known/oauth-authorization-server`, { dispatcher: visitor });
    const { token_endpoint: endpoint } = (await about.body.json()) as { token_endpoint: string };
    const fields = { grant_type: "refresh_token", refresh_token: "of long ago", client_id: "of long ago" };
    const answer = await request(endpoint, {
      method: "POST",
      dispatcher: visitor,
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(fields).toString(),
    });
    // Claude and the SDKs look for exactly this (RFC 6749 section 5.2).
    expect(answer.statusCode).toBe(401);
    expect(await answer.body.json()).toMatchObject({ error: "invalid_client" });
  });

  it("lets Cursor use its header at a gate of keys, because nothing of OAuth is to be found", async () => {
    const keys = closing(await world.publish("keys", [String(local.port), "--visitor-auth", "bearer"]));
    const visitor = world.visitor();
    closing({ close: () => visitor.destroy() });
    const { origin, pathname } = new URL(keys.url);
    for (const name of ["oauth-protected-resource", "oauth-authorization-server", "openid-configuration"]) {
      for (const address of [`${origin}/.well-known/${name}`, `${origin}/.well-known/${name}${pathname}`]) {
        const answer = await request(address, { dispatcher: visitor });
        await answer.body.dump();
        expect([address, answer.statusCode]).toEqual([address, 404]);
      }
    }
    const cursor = comeTo(keys, hosts.find(({ name }) => name === "Cursor") as Host);
    expect((await cursor.visit()).status).toBe(401);
    cursor.useKey(keys.key);
    expect(await cursor.callTool("add", { a: 20, b: 22 })).toBe("42");
  });

  it("leaves nothing open here", async () => {
    await expectNoLeaks(async () => {
      const visitor = world.visitor();
      const client = new ScriptedHost(claude, published.url, claude.redirectUris[0] as string, visitor);
      await client.logIn(published.passcode);
      await published.nextGrant();
      await visitor.close();
    });
  });
});
