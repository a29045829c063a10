import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import {
  type ClientCommand,
  type RelayCommand,
  startClientCommand,
  startRelayCommand,
} from "../support/commands.js";
import { createVisitor } from "../support/visitor.js";
import { startConformanceServer } from "./conformance-server.js";
import { localOnly, runConformance } from "./conformance-suite.js";
import type { LocalMcpServer } from "./servers.js";

describe("the conformance suite of MCP", () => {
  let relay: RelayCommand;
  let local: LocalMcpServer;
  let tunnel: ClientCommand;
  beforeAll(async () => {
    relay = await startRelayCommand();
    local = await startConformanceServer();
    tunnel = await startClientCommand(local.port, relay.port, ["--subdomain", "mcp"]);
  });
  afterAll(async () => {
    await tunnel.close();
    await local.close();
    await relay.close();
  });
  const closing = closingAfterEach();

  it("gives the same result through the tunnel, scenario by scenario", { timeout: 60_000 }, async () => {
    const [directly, through] = await Promise.all([
      runConformance(`http://127.0.0.1:${local.port}/mcp`),
      runConformance(`${tunnel.url}/mcp`),
    ]);
    expect(directly.size).toBeGreaterThanOrEqual(32);
    // All checks succeed, so equal outcomes are not two failures. The suite says that it speaks a revision of
    // MCP to which the SDK sends no priming events, and warns that there are none.
    const complaints = [...directly.values()].flat().filter((check) => /: (FAILURE|WARNING)/.test(check));
    expect(complaints.map((check) => check.split(" ")[0])).toEqual([
      "server-sse-priming-event:",
      "server-sse-retry-field:",
    ]);
    // The next test checks through the tunnel what that scenario is about.
    expect(directly.delete(localOnly) && through.delete(localOnly)).toBe(true);
    expect(Object.fromEntries(through)).toEqual(Object.fromEntries(directly));
  });

  it("would find that a tunnel turns away what is sent to another host name", async () => {
    const visitor = closing(createVisitor(relay.port));
    const initialize = {
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "x", version: "1" } },
    };
    const visit = async (host: string): Promise<number> => {
      const answer = await visitor.text("mcp", "/mcp", {
        method: "POST",
        headers: { host, "content-type": "application/json", accept: "application/json, text/event-stream" },
        body: JSON.stringify(initialize),
      });
      return answer.status;
    };
    expect(await visit("evil.example.com")).toBe(421);
    expect(await visit(`mcp.localhost:${relay.port}`)).toBe(200);
  });
});
