import { countTools, greet, isEventStream, leave } from "./mcp.js";
import type { Greeting } from "./mcp.js";
import type { Ask } from "./question.js";

/** What was seen of an MCP server at one path. */
export interface McpLook {
  readonly greeting: Greeting;
  /** The answer to a GET: its status, and whether it is an event stream. Undefined if nothing was asked. */
  readonly get?: { readonly status: number; readonly isStream: boolean };
  /** How many tools a visitor without any proof is told; undefined if he is told none. */
  readonly tools?: number;
}

/** Looks at an MCP server as a host does: a greeting, the stream of a GET, the list of its tools, the end. */
export async function lookAtMcp(ask: Ask, path: string, signal: AbortSignal): Promise<McpLook> {
  const greeting = await greet(ask, path, signal);
  const { server } = greeting;
  if (server === undefined) return { greeting };
  try {
    const accepting = { accept: "text/event-stream", ...server.headers };
    const get = await ask({ method: "GET", path, headers: accepting, enough: () => true }, signal);
    const tools = await countTools(ask, path, server, signal);
    return {
      greeting,
      get: { status: get.status, isStream: isEventStream(get) },
      ...(tools === undefined ? {} : { tools }),
    };
  } finally {
    await leave(ask, path, server, signal);
  }
}
