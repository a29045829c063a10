import { createService, startTunnelClient } from "mcp-tunnel-client";
import { describe, expect, it } from "vitest";
import { ask, Scrape, startAdminRelay } from "../admin/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runClient, runRelay } from "../support/commands.js";
import { declaring } from "../support/gated.js";
import { OriginalClientRefused, startOriginalClient } from "../support/original-client.js";
import { startOriginalRelay } from "../support/original-relay.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";

// Tunnels with and without a gate, as the commands show them from outside.

const closing = closingAfterEach();
const required = ["--require-visitor-auth"];

const startRelay = async (args: readonly string[] = [], env?: NodeJS.ProcessEnv) =>
  closing(await startAdminRelay(args, env));

/** A client whose service declares a gate of these kinds. */
async function startGated(relayPort: number, subdomain: string, kinds: readonly string[]) {
  const upstream = closing(await startUpstream());
  const service = declaring({ kinds, digest: "x" }, createService({ port: upstream.port }));
  const relayUrl = `http://127.0.0.1:${relayPort}`;
  return closing(await startTunnelClient({ service, relayUrl, token: "t", subdomain }));
}

/** The client command, which declares no gate, as it ends. */
async function refusedCommand(relayPort: number, ...args: string[]) {
  const client = closing(runClient([String(relayPort), "--relay", `http://127.0.0.1:${relayPort}`, ...args]));
  const { code: status } = await client.exited;
  return { status, client };
}

const whatToDo =
  /^the relay takes only tunnels with a gate .* this one has none: add --visitor-auth oauth,bearer/;

describe("a relay with --require-visitor-auth", () => {
  it("turns the client command away, which says what to do, and ends with status 3", async () => {
    const relay = await startRelay(required);
    const json = await refusedCommand(relay.port, "--json");
    expect(json.status).toBe(3);
    expect(json.client.json).toEqual([
      { event: "error", code: "refused", message: expect.stringMatching(whatToDo) },
    ]);
    const screen = await refusedCommand(relay.port);
    expect(screen.status).toBe(3);
    expect(screen.client.stderr).toHaveLength(1);
    expect(screen.client.stderr[0]?.replace(/^error: /, "")).toMatch(whatToDo);
    expect(await relay.waitForJson({ msg: "registration refused" })).toMatchObject({
      code: 4001,
      reason:
        "this relay takes only tunnels with a gate: use mcp-tunnel-client with --visitor-auth oauth,bearer",
    });
  });

  it.each(["0.1", "0.2"] as const)("turns an original %s away, with what to do", async (version) => {
    const relay = await startRelay(required);
    const original = startOriginalClient({ version, relayPort: relay.port, token: "t", subdomain: "app" });
    const error = await original.then(
      (client) => closing(client),
      (refusal: unknown) => refusal,
    );
    expect(error).toBeInstanceOf(OriginalClientRefused);
    expect(error).toMatchObject({
      code: 4001,
      reason: expect.stringMatching(/^this relay takes only tunnels with a gate: use mcp-tunnel-client /),
    });
  });

  it("serves a client with a gate", async () => {
    const relay = await startRelay(required);
    await startGated(relay.port, "app", ["oauth", "bearer"]);
    const visitor = closing(createVisitor(relay.port));
    expect((await visitor.text("app", "/status/200")).status).toBe(200);
    const addressesOnly = startGated(relay.port, "other", []);
    await expect(addressesOnly).rejects.toMatchObject({
      code: "refused",
      message: expect.stringContaining("this one declares addresses alone"),
    });
  });

  it("may have it from the environment", async () => {
    const relay = await startRelay([], { MCP_TUNNEL_REQUIRE_VISITOR_AUTH: "true" });
    expect((await refusedCommand(relay.port, "--json")).status).toBe(3);
  });

  // commander takes any value of a switch's variable for yes.
  it("does not have it from a variable that says no", async () => {
    const relay = await startRelay([], { MCP_TUNNEL_REQUIRE_VISITOR_AUTH: "false" });
    const original = { version: "0.2", relayPort: relay.port, token: "t", subdomain: "app" } as const;
    expect(closing(await startOriginalClient(original)).subdomain).toBe("app");
  });
});

describe("the operator", () => {
  it("sees which tunnels have a gate: in the status, the metrics and the log", async () => {
    const relay = await startRelay();
    await startGated(relay.port, "all", ["oauth", "bearer"]);
    await startGated(relay.port, "addresses", []);
    // A kind that this relay does not know, in a client of a later version.
    await startGated(relay.port, "later", ["later"]);
    const original = { version: "0.2", relayPort: relay.port, token: "t", subdomain: "open" } as const;
    closing(await startOriginalClient(original));

    const { json } = await ask(`${relay.admin}/api/tunnels`);
    expect(json?.["tunnels"]).toMatchObject([
      { name: "all", gate: ["oauth", "bearer"] },
      { name: "addresses", gate: [] },
      { name: "later", gate: ["later"] },
      { name: "open", gate: null },
    ]);
    const status = closing(runRelay(["status", "--admin", relay.admin]));
    await status.exited;
    const rows = status.stdout.slice(2).map((line) => line.replaceAll(/ {2,}/g, " "));
    expect(rows).toEqual([
      expect.stringMatching(/^NAME SINCE CLIENT VERSION GATE RTT /),
      expect.stringMatching(/^addresses \S+ 127\.0\.0\.1 mcp-tunnel-client \S+ addresses /),
      expect.stringMatching(/^all \S+ 127\.0\.0\.1 mcp-tunnel-client \S+ oauth,bearer /),
      expect.stringMatching(/^later \S+ 127\.0\.0\.1 mcp-tunnel-client \S+ later /),
      expect.stringMatching(/^open \S+ 127\.0\.0\.1 - - /),
    ]);
    const scrape = await Scrape.of(relay);
    expect(scrape.value("mcp_tunnel_tunnels_gated")).toBe(1);
    expect(scrape.value("mcp_tunnel_tunnels", { state: "online" })).toBe(4);
    expect(await relay.waitForJson({ msg: "tunnel registered", name: "all" })).toMatchObject({
      gate: "oauth,bearer",
    });
    expect(await relay.waitForJson({ msg: "tunnel registered", name: "open" })).not.toHaveProperty("gate");
  });
});

describe.each(["0.1", "0.2"] as const)("an original relay %s", (version) => {
  it("answers a client with a gate as it answers any other, whose field it ignores", async () => {
    const relay = closing(await startOriginalRelay({ version }));
    const client = await startGated(relay.port, "app", ["bearer"]);
    const tunnel = await relay.nextTunnel();
    expect(tunnel.registration).toMatchObject({ subdomain: "app", gate: { kinds: ["bearer"], digest: "x" } });
    expect(client.wire).toMatch(/^json/);
    expect((await tunnel.request({ path: "/status/200" }).answer).status).toBe(200);
    expect(tunnel.skipped).toEqual([]);
  });
});
