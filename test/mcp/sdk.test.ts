import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { type RelayCommand, startClientCommand, startRelayCommand } from "../support/commands.js";
import { connectV1, connectV2, type McpClient } from "./clients.js";
import { type LocalMcpServer, startV1Server, startV2Server } from "./servers.js";

const servers = [
  { server: "a server on SDK v2", start: startV2Server },
  { server: "a server on SDK v1", start: startV1Server },
];
const clients = [
  { client: "the v2 client", connect: (url: string) => connectV2(url, "auto") },
  { client: "the v2 client without negotiation", connect: (url: string) => connectV2(url, "legacy") },
  { client: "the v1 client", connect: (url: string) => connectV1(url) },
];

describe.each(servers)("$server, through the tunnel", ({ start }) => {
  let relay: RelayCommand;
  let local: LocalMcpServer;
  let tunnel: { url: string; close(): Promise<unknown> };
  const closing = closingAfterEach();

  beforeAll(async () => {
    relay = await startRelayCommand();
    local = await start();
    tunnel = await startClientCommand(local.port, relay.port, ["--subdomain", "mcp"]);
  });
  afterAll(async () => {
    await tunnel.close();
    await local.close();
    await relay.close();
  });

  describe.each(clients)("with $client", ({ connect }) => {
    const open = async (): Promise<McpClient> => closing(await connect(`${tunnel.url}/mcp`));

    it("lists the tools", async () => {
      const client = await open();
      expect(await client.listTools()).toEqual(["add", "echo", "slow_count"]);
    });

    it("calls tools, many at the same time", async () => {
      const client = await open();
      const sums = Array.from({ length: 20 }, (_, i) => client.callTool("add", { a: i, b: 1_000 }));
      expect(await Promise.all(sums)).toEqual(Array.from({ length: 20 }, (_, i) => String(i + 1_000)));
    });

    it("carries a megabyte each way", async () => {
      const client = await open();
      const message = "ä€😀x".repeat(100_000);
      expect(await client.callTool("echo", { message })).toBe(message);
    });

    it("delivers progress while the tool runs", async () => {
      const client = await open();
      const seen: { progress: number; atMs: number }[] = [];
      const answer = await client.callTool(
        "slow_count",
        { to: 4, pauseMs: 100 },
        { onProgress: (progress) => seen.push({ progress, atMs: performance.now() }) },
      );
      const endedMs = performance.now();
      expect(answer).toBe("counted to 4");
      expect(seen.map(({ progress }) => progress)).toEqual([1, 2, 3, 4]);
      // The server pauses three times between the first report and its answer. A tunnel that gathers an
      // answer before it passes it on would deliver all of it at once.
      expect(endedMs - (seen[0]?.atMs ?? endedMs)).toBeGreaterThan(200);
    });

    it("goes on after a call was given up", async () => {
      const client = await open();
      const controller = new AbortController();
      const call = client.callTool(
        "slow_count",
        { to: 1_000, pauseMs: 50 },
        { signal: controller.signal, onProgress: () => controller.abort() },
      );
      await expect(call).rejects.toThrow();
      expect(await client.callTool("add", { a: 1, b: 1 })).toBe("2");
    });
  });
});

describe("cancelling in the 2026 revision, where closing the stream is the cancellation", () => {
  const closing = closingAfterEach();

  it("reaches the relay's log as a cancelled exchange", async () => {
    const relay = closing(await startRelayCommand());
    const local = closing(await startV2Server());
    const tunnel = closing(await startClientCommand(local.port, relay.port, ["--subdomain", "mcp"]));
    const client = closing(await connectV2(`${tunnel.url}/mcp`, "auto"));
    const controller = new AbortController();
    const call = client.callTool(
      "slow_count",
      { to: 1_000, pauseMs: 50 },
      { signal: controller.signal, onProgress: () => controller.abort() },
    );
    await expect(call).rejects.toThrow();
    const line = await relay.waitForJson({ msg: "request", outcome: "cancelled" });
    expect(line).toMatchObject({ name: "mcp", method: "POST", path: "/mcp", status: 200 });
  });
});
