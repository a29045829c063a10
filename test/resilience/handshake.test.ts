import { createRelay } from "mcp-tunnel";
import { startTunnelClient } from "mcp-tunnel-client";
import { afterEach, expect, it, vi } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { type Direction, startFaultProxy } from "../support/fault-proxy.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";
import { scaled } from "./scale.js";

const opened = closingAfterEach();
afterEach(() => void vi.restoreAllMocks());

it.each<Direction>(["up", "down"])(
  "a registration that is cut anywhere (%s) is made again, and leaves no second tunnel behind",
  async (direction) => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const upstream = opened(await startUpstream());
    const relay = createRelay({ domain: "localhost", host: "127.0.0.1", port: 0, startupHoldMs: 0 });
    opened({ close: () => relay.close(0) });
    const { port } = await relay.listen();
    const proxy = opened(await startFaultProxy(port));
    const visitor = opened(createVisitor(port));
    const options = {
      port: upstream.port,
      relayUrl: `http://127.0.0.1:${proxy.port}`,
      subdomain: "demo",
      waitForRelay: true,
    };
    const connect = async (cutAfter: number): Promise<void> => {
      proxy.cutAfter(direction, cutAfter);
      const client = await startTunnelClient(options);
      proxy.clearFaults();
      // A cut after the acknowledgement is a lost connection, which the client resumes.
      while (client.state !== "online") await new Promise((resolve) => setImmediate(resolve));
      expect((await visitor.text("demo", "/status/201")).status, `cut after ${cutAfter}`).toBe(201);
      expect(relay.tunnels(), `cut after ${cutAfter}`).toHaveLength(1);
      await client.close();
      await vi.waitFor(() => expect(relay.tunnels()).toHaveLength(0));
    };
    await connect(1_000_000);
    const bytes = proxy.forwarded[direction];
    expect(bytes).toBeGreaterThan(200);
    for (let cutAfter = 0; cutAfter < bytes; cutAfter += scaled(31, 1)) await connect(cutAfter);
  },
  scaled(60_000, 600_000),
);
