import { lookup } from "node:dns";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CreateMessageRequestSchema, ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { Agent, fetch as undiciFetch } from "undici";

/**
 * A session with server-everything, as a host has one. `url`: of a relay on this machine, whatever its name.
 * It ends when the picture is taken.
 */
export async function visit(url: string, key: string): Promise<{ close(): Promise<void> }> {
  const agent = new Agent({
    connect: { lookup: (_host, options, callback) => lookup("127.0.0.1", options, callback) },
  });
  const client = new Client(
    { name: "example-host", title: "Example Host", version: "1.2.0" },
    { capabilities: { sampling: {}, elicitation: {} } },
  );
  client.setRequestHandler(CreateMessageRequestSchema, () => ({
    model: "example-model",
    role: "assistant",
    content: { type: "text", text: "A tunnel is a way through a mountain, or through a firewall." },
  }));
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: "decline" }));
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { authorization: `Bearer ${key}` } },
    // undici's Request and Response have the shape of the global ones; only their types differ.
    fetch: ((input: string, init: object) =>
      undiciFetch(input, { ...init, dispatcher: agent })) as typeof fetch,
  });
  await client.connect(transport);
  await client.listTools();
  await client.readResource({ uri: "demo://resource/static/document/features.md" });
  await client.callTool({ name: "get-sum", arguments: { a: 19, b: 23 } });
  const slow = { name: "trigger-long-running-operation", arguments: { duration: 2, steps: 4 } };
  await client.callTool(slow, undefined, { onprogress: () => {} });
  await client.callTool({ name: "get-sum", arguments: { a: 19, b: "a lot" } });
  await client.callTool({ name: "trigger-elicitation-request", arguments: {} });
  const question = { prompt: "What is a tunnel?", maxTokens: 100 };
  await client.callTool({ name: "trigger-sampling-request", arguments: question });
  return {
    async close() {
      await client.close();
      await agent.destroy();
    },
  };
}
