import { EventEmitter, once } from "node:events";
import { connect, type Socket } from "node:net";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { InMemoryEventStore } from "@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js";
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { Agent, fetch as undiciFetch } from "undici";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { startClientCommand, startRelayCommand } from "../support/commands.js";
import { createTools, startV1Server } from "./servers.js";

const closing = closingAfterEach();

/** An MCP client of SDK v1 whose connections to the relay can be cut. */
async function connectClient(url: string, relayPort: number) {
  const sockets = new Set<Socket>();
  const events = new EventEmitter<{ eventStream: [{ lastEventId: string | null }] }>();
  const agent = new Agent({
    connect(_options, callback) {
      const socket = connect({ port: relayPort, host: "127.0.0.1" });
      sockets.add(socket.setNoDelay());
      socket.once("close", () => sockets.delete(socket));
      socket.once("connect", () => callback(null, socket));
    },
  });
  closing({ close: () => agent.destroy() });
  const fetchThere = async (input: string | URL, init: RequestInit = {}): Promise<Response> => {
    const answer = await undiciFetch(input, { ...(init as object), dispatcher: agent });
    if (init.method === "GET" && answer.ok) {
      events.emit("eventStream", { lastEventId: new Headers(init.headers).get("last-event-id") });
    }
    // undici's Response has the shape of the global one; only its types differ.
    return answer as unknown as Response;
  };
  const client = new Client({ name: "mcp-tunnel-tests", version: "1.0.0" });
  const opened = once(events, "eventStream");
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url), {
      fetch: fetchThere,
      reconnectionOptions: {
        initialReconnectionDelay: 10,
        maxReconnectionDelay: 100,
        reconnectionDelayGrowFactor: 1,
        maxRetries: 10,
      },
    }),
  );
  closing(client);
  await opened;
  return {
    client,
    events,
    cut: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
  };
}

describe("the streams of MCP", () => {
  it("bring what the server says by itself, on the stream of a GET", async () => {
    const relay = closing(await startRelayCommand());
    const servers: ReturnType<typeof createTools>[] = [];
    const local = closing(
      await startV1Server(() => {
        const server = createTools();
        servers.push(server);
        return server;
      }),
    );
    const tunnel = closing(await startClientCommand(local.port, relay.port, ["--subdomain", "mcp"]));
    const { client } = await connectClient(`${tunnel.url}/mcp`, relay.port);
    const told = new EventEmitter<{ changed: [] }>();
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void told.emit("changed"));
    for (let i = 0; i < 3; i++) {
      const changed = once(told, "changed");
      servers[0]?.sendToolListChanged();
      await changed;
    }
  });

  it("go on where they were when the visitor comes back with Last-Event-ID", async () => {
    const relay = closing(await startRelayCommand());
    const local = closing(
      await startV1Server(createTools, () => ({ eventStore: new InMemoryEventStore(), retryInterval: 10 })),
    );
    const tunnel = closing(await startClientCommand(local.port, relay.port, ["--subdomain", "mcp"]));
    const { client, events, cut } = await connectClient(`${tunnel.url}/mcp`, relay.port);
    const resumed: (string | null)[] = [];
    events.on("eventStream", ({ lastEventId }) => resumed.push(lastEventId));
    const seen: number[] = [];
    const answer = await client.callTool(
      { name: "slow_count", arguments: { to: 8, pauseMs: 50 } },
      undefined,
      {
        onprogress({ progress }) {
          seen.push(progress);
          if (progress === 3) cut();
        },
      },
    );
    expect(answer.content).toEqual([{ type: "text", text: "counted to 8" }]);
    // No report was lost while the client did not listen, and none came twice.
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(resumed.some((lastEventId) => lastEventId !== null)).toBe(true);
    const line = await relay.waitForJson({ msg: "request", method: "POST", outcome: "cancelled" });
    expect(line).toMatchObject({ path: "/mcp", status: 200 });
  });
});
