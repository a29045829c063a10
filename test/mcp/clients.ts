import { lookup } from "node:dns";
import {
  Client as V2Client,
  StreamableHTTPClientTransport as V2Transport,
} from "@modelcontextprotocol/client";
import { Client as V1Client } from "@modelcontextprotocol/sdk/client/index.js";
import {
  type StreamableHTTPReconnectionOptions as V1Reconnection,
  StreamableHTTPClientTransport as V1Transport,
} from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Agent, fetch as undiciFetch } from "undici";

/** The interface of an MCP client for the tests, the same for both SDKs. */
export interface McpClient {
  listTools(): Promise<string[]>;
  /** Returns the text of the answer. */
  callTool(name: string, args: Record<string, unknown>, options?: CallOptions): Promise<string>;
  close(): Promise<void>;
}

export interface CallOptions {
  onProgress?: (progress: number) => void;
  signal?: AbortSignal;
  /** How long the client waits for the answer. Default: as long as its SDK does, a minute. */
  timeoutMs?: number;
}

/** A `fetch` that finds names under `.localhost` on this machine, as browsers and curl do. */
export function localFetch(): { fetch: typeof fetch; close(): Promise<void> } {
  const agent = new Agent({
    connect: {
      lookup: (host, options, callback) =>
        lookup(host.endsWith(".localhost") ? "127.0.0.1" : host, options, callback),
    },
  });
  return {
    // undici's Request and Response have the shape of the global ones; only their types differ.
    fetch: ((input: string, init: object) =>
      undiciFetch(input, { ...init, dispatcher: agent })) as typeof fetch,
    close: () => agent.destroy(),
  };
}

const identity = { name: "mcp-tunnel-tests", version: "1.0.0" };

export async function connectV2(
  url: string,
  mode: "auto" | "legacy" | { readonly pin: string },
): Promise<McpClient> {
  const local = localFetch();
  const client = new V2Client(identity, { versionNegotiation: { mode } });
  await client.connect(new V2Transport(new URL(url), { fetch: local.fetch }));
  return adapt(client, local);
}

/** `reconnect`: when it tries again after a broken connection. Default: as its SDK does, twice. */
export async function connectV1(url: string, reconnect?: V1Reconnection): Promise<McpClient> {
  const local = localFetch();
  const client = new V1Client(identity);
  const options = reconnect === undefined ? {} : { reconnectionOptions: reconnect };
  await client.connect(new V1Transport(new URL(url), { fetch: local.fetch, ...options }));
  return adapt(
    {
      listTools: () => client.listTools(),
      callTool: (params, options) => client.callTool(params, undefined, options),
      close: () => client.close(),
    },
    local,
  );
}

/** The part that the clients of both SDKs have in common. */
interface SdkClient {
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(
    params: { name: string; arguments: Record<string, unknown> },
    options: {
      onprogress?: (progress: { progress: number }) => void;
      signal?: AbortSignal;
      timeout?: number;
    },
  ): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

function adapt(client: SdkClient, local: { close(): Promise<void> }): McpClient {
  return {
    listTools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    async callTool(name, args, { onProgress, signal, timeoutMs } = {}) {
      const result = await client.callTool(
        { name, arguments: args },
        {
          ...(onProgress === undefined ? {} : { onprogress: ({ progress }) => onProgress(progress) }),
          ...(signal === undefined ? {} : { signal }),
          ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
        },
      );
      return (result["content"] as { text: string }[]).map(({ text }) => text).join("\n");
    },
    async close() {
      await client.close();
      await local.close();
    },
  };
}
