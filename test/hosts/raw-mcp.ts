import { expect } from "vitest";
import type { Answer, HostFetch } from "./host-fetch.js";

type Json = Record<string, unknown>;

/** A client of MCP over HTTP (revision 2025-06-18) that shows each answer as it came. */
export class RawMcp {
  readonly #fetch: HostFetch;
  readonly #url: string;
  readonly #name: string;

  /** `name`: what the client calls itself. */
  constructor(fetch: HostFetch, url: string, name: string) {
    this.#fetch = fetch;
    this.#url = url;
    this.#name = name;
  }

  send(message: Json, token: string | undefined, headers: Record<string, string> = {}): Promise<Answer> {
    return this.#fetch.send(this.#url, {
      method: "POST",
      body: JSON.stringify(message),
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
    });
  }

  /** Calls a tool in a session of its own, and returns the text of the result. */
  async callTool(name: string, args: Json, token: string | undefined): Promise<string> {
    const clientInfo = { name: this.#name, version: "1.0.0" };
    const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo };
    const initialized = await this.send({ jsonrpc: "2.0", id: 1, method: "initialize", params }, token);
    expect(initialized.status, initialized.text).toBe(200);
    const session = initialized.header("mcp-session-id");
    const headers = session === undefined ? {} : { "mcp-session-id": session };
    await this.send({ jsonrpc: "2.0", method: "notifications/initialized" }, token, headers);
    const call = { jsonrpc: "2.0", id: 2, method: "tools/call", params: { name, arguments: args } };
    const called = await this.send(call, token, headers);
    expect(called.status, called.text).toBe(200);
    const { result } = messageOf(called) as { result: { content: { text: string }[] } };
    return result.content.map(({ text }) => text).join("\n");
  }
}

/** The message of an answer, which may be an event of a stream. */
function messageOf({ text }: Answer): Json {
  const data = text.startsWith("{") ? text : /^data: ?(.+)$/m.exec(text)?.[1];
  if (data === undefined) throw new Error(`no message in ${text}`);
  return JSON.parse(data) as Json;
}
