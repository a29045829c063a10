import { lookup } from "node:dns";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Agent, fetch } from "undici";
import type { Endpoint } from "../endpoint.js";

/** `legacy`: the revisions before 2026-07-28, which begin with `initialize`. */
export type Era = "auto" | "legacy";

/** Connects with the official SDK, and closes what `use` was given once that is over. */
export async function withClient<T>(
  endpoint: Endpoint,
  era: Era,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const host = endpoint.host.split(":")[0];
  const dispatcher = new Agent({
    // Node asks a resolver that may not know names under .localhost (RFC 6761 section 6.3).
    connect: { lookup: (_hostname, options, callback) => lookup("127.0.0.1", options, callback) },
  });
  const client = new Client({ name: "bench", version: "1.0.0" }, { versionNegotiation: { mode: era } });
  const transport = new StreamableHTTPClientTransport(new URL(`http://${host}:${endpoint.port}/mcp`), {
    // The SDK types its `fetch` with the global Request and Response; undici's have the same shape.
    fetch: ((input: string, init: object) => fetch(input, { ...init, dispatcher })) as never,
  });
  try {
    await client.connect(transport);
    return await use(client);
  } finally {
    await client.close();
    await dispatcher.close();
  }
}

/** Calls a tool, one call after the other. Returns how long each took, in milliseconds. */
export async function callFor(client: Client, seconds: number): Promise<number[]> {
  const delays: number[] = [];
  const deadline = performance.now() + seconds * 1_000;
  while (performance.now() < deadline) {
    const startedAt = performance.now();
    await client.callTool({ name: "echo", arguments: { message: "hello" } });
    delays.push(performance.now() - startedAt);
  }
  return delays;
}
