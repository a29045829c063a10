import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { startV1Server } from "../mcp/servers.js";
import { everything, missingNpmServers } from "../stdio/servers.js";
import { closingAfterEach } from "../support/cleanup.js";
import { Person } from "./person.js";
import { createSdkClient, type Generation, Keeper, type Tokens, unauthorized } from "./sdk-clients.js";
import { type Published, sdkDocument, World } from "./world.js";

const ways = (["v1", "v2"] as const).flatMap((generation) =>
  (["registration", "document"] as const).map((by) => ({ generation, by })),
);

describe.skipIf(missingNpmServers())("the official SDKs' clients, through a relay with TLS", () => {
  const closing = closingAfterEach();
  let world: World;
  let local: Awaited<ReturnType<typeof startV1Server>>;
  let port: Published;
  let stdio: Published;

  beforeAll(async () => {
    world = await World.start();
    local = await startV1Server();
    port = await world.publish("port", [String(local.port), "--visitor-auth", "oauth,bearer"]);
    // The gate that MCP servers have without an option.
    const { command, args } = everything();
    stdio = await world.publish("stdio", ["--stdio", "--", command, ...args]);
  });
  afterAll(async () => {
    await stdio?.close();
    await port?.close();
    await local?.close();
    await world?.close();
  });

  // SDK 2 tells the console of each login that is over.
  beforeEach(() => void vi.spyOn(console, "warn").mockImplementation(() => {}));
  afterEach(() => void vi.restoreAllMocks());

  /** A client that has asked, and for which somebody has consented. */
  async function logIn(generation: Generation, by: "registration" | "document", server: Published) {
    const dispatcher = world.visitor();
    closing({ close: () => dispatcher.destroy() });
    const keeper = new Keeper(by);
    const client = closing(createSdkClient(generation, server.url, keeper, dispatcher));
    await expect(client.connect()).rejects.toThrow(unauthorized[generation]);
    const { callback, grant } = await server.consent(new Person(dispatcher), keeper.opened[0] as URL);
    await client.finish(callback);
    await client.connect();
    const { client_id: id } = keeper.saved.client as { client_id: string };
    expect(id === sdkDocument.client_id).toBe(by === "document");
    return { client, keeper, grant };
  }

  describe.each(ways)("$generation, by $by", ({ generation, by }) => {
    it("calls a tool of a server at a port, refreshes, and is refused once it is revoked", async () => {
      const { client, keeper, grant } = await logIn(generation, by, port);
      expect(await client.callTool("echo", { message: "hello" })).toBe("hello");

      // An access token that is over: the SDK asks for a new one.
      const { tokens } = keeper.saved;
      keeper.saveTokens({ ...(tokens as Tokens), access_token: "over" });
      expect(await client.callTool("echo", { message: "again" })).toBe("again");
      expect(keeper.saved.tokens?.refresh_token).not.toBe(tokens?.refresh_token);
      expect(keeper.opened).toHaveLength(1);

      await port.revoke(grant);
      await expect(client.callTool("echo", { message: "still here?" })).rejects.toThrow();
      // It would have somebody asked once more.
      expect(keeper.opened).toHaveLength(2);
    });

    it("calls a tool of a server on stdio", async () => {
      const { client, keeper, grant } = await logIn(generation, by, stdio);
      expect(await client.callTool("echo", { message: "hello" })).toBe("Echo: hello");
      await stdio.revoke(grant);
      await expect(client.callTool("echo", { message: "still here?" })).rejects.toThrow();
      expect(keeper.opened).toHaveLength(2);
    });
  });
});
