import { setTimeout as delay } from "node:timers/promises";
import { InMemoryEventStore } from "@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import {
  CallToolRequestSchema,
  type CallToolResult,
  CompleteRequestSchema,
  type ContentBlock,
  CreateMessageResultSchema,
  ElicitResultSchema,
  type GetPromptResult,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  type Prompt,
  ReadResourceRequestSchema,
  type ServerNotification,
  type ServerRequest,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  type Tool,
  UnsubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { type LocalMcpServer, startV1Server } from "./servers.js";

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;
type Arguments = Record<string, unknown>;

/** A server with all features that the scenarios of `@modelcontextprotocol/conformance` use. */
export function startConformanceServer(): Promise<LocalMcpServer> {
  return startV1Server(createConformanceServer, (port) => ({
    eventStore: new InMemoryEventStore(),
    retryInterval: 100,
    enableDnsRebindingProtection: true,
    allowedHosts: [`localhost:${port}`, `127.0.0.1:${port}`],
  }));
}

export function createConformanceServer(): Server {
  const server = new Server(
    { name: "conformance", version: "1.0.0" },
    {
      capabilities: { completions: {}, logging: {}, prompts: {}, resources: { subscribe: true }, tools: {} },
    },
  );
  server.setRequestHandler(SetLevelRequestSchema, () => ({}));
  server.setRequestHandler(SubscribeRequestSchema, () => ({}));
  server.setRequestHandler(UnsubscribeRequestSchema, () => ({}));
  server.setRequestHandler(CompleteRequestSchema, () => ({ completion: { values: ["testing"] } }));
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: tools.map(({ tool }) => tool) }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const found = tools.find(({ tool }) => tool.name === params.name);
    if (found === undefined) throw new Error(`no tool ${params.name}`);
    const content = await found.call(extra, params.arguments ?? {});
    return Array.isArray(content) ? { content } : content;
  });
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: prompts.map(({ prompt }) => prompt),
  }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) => {
    const found = prompts.find(({ prompt }) => prompt.name === params.name);
    if (found === undefined) throw new Error(`no prompt ${params.name}`);
    return { messages: found.messages(params.arguments ?? {}) };
  });
  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({ resourceTemplates }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) => ({ contents: [read(uri)] }));
  return server;
}

// ---- tools

const png =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const wav = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=";
const image: ContentBlock = { type: "image", data: png, mimeType: "image/png" };

const text = (value: string): ContentBlock => ({ type: "text", text: value });

function resource(uri: string, mimeType: string, body: string): ContentBlock {
  return { type: "resource", resource: { uri, mimeType, text: body } };
}

interface ToolFixture {
  tool: Tool;
  call(
    extra: Extra,
    args: Arguments,
  ): Promise<ContentBlock[] | CallToolResult> | ContentBlock[] | CallToolResult;
}

const noArguments = { type: "object" as const, properties: {} };

function tool(name: string, call: ToolFixture["call"], inputSchema: Tool["inputSchema"] = noArguments) {
  return { tool: { name, description: name.replaceAll("_", " "), inputSchema }, call };
}

function oneString(name: string): Tool["inputSchema"] {
  return { type: "object", properties: { [name]: { type: "string" } }, required: [name] };
}

const tools: ToolFixture[] = [
  tool("test_simple_text", () => [text("This is a simple text response for testing.")]),
  tool("test_image_content", () => [image]),
  tool("test_audio_content", () => [{ type: "audio", data: wav, mimeType: "audio/wav" }]),
  tool("test_embedded_resource", () => [
    resource("test://embedded-resource", "text/plain", "This is an embedded resource content."),
  ]),
  tool("test_multiple_content_types", () => [
    text("Multiple content types test:"),
    image,
    resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
  ]),
  tool("test_error_handling", () => ({
    isError: true,
    content: [text("This tool intentionally returns an error for testing")],
  })),
  tool("test_tool_with_logging", async ({ sendNotification }) => {
    for (const data of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
      await sendNotification({ method: "notifications/message", params: { level: "info", data } });
      await delay(50);
    }
    return [text("logged")];
  }),
  // oxlint-disable-next-line no-underscore-dangle -- the field's name in MCP
  tool("test_tool_with_progress", async ({ _meta, sendNotification }) => {
    for (const progress of [0, 50, 100]) {
      const progressToken = _meta?.progressToken;
      if (progressToken !== undefined) {
        const params = { progressToken, progress, total: 100 };
        await sendNotification({ method: "notifications/progress", params });
      }
      await delay(50);
    }
    return [text("done")];
  }),
  tool(
    "test_sampling",
    async ({ sendRequest }, { prompt }) => {
      const messages = [{ role: "user" as const, content: { type: "text" as const, text: String(prompt) } }];
      const answer = await sendRequest(
        { method: "sampling/createMessage", params: { messages, maxTokens: 100 } },
        CreateMessageResultSchema,
      );
      return [text(`LLM response: ${JSON.stringify(answer.content)}`)];
    },
    oneString("prompt"),
  ),
  tool(
    "test_elicitation",
    (extra, { message }) =>
      elicit(extra, String(message), { username: { type: "string" }, email: { type: "string" } }, [
        "username",
        "email",
      ]),
    oneString("message"),
  ),
  tool("test_elicitation_sep1034_defaults", (extra) =>
    elicit(extra, "with defaults", {
      name: { type: "string", default: "John Doe" },
      age: { type: "integer", default: 30 },
      score: { type: "number", default: 95.5 },
      status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
      verified: { type: "boolean", default: true },
    }),
  ),
  tool("test_elicitation_sep1330_enums", (extra) =>
    elicit(extra, "with enums", {
      untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
      titledSingle: { type: "string", oneOf: [{ const: "value1", title: "First" }] },
      legacyEnum: { type: "string", enum: ["opt1", "opt2"], enumNames: ["One", "Two"] },
      untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2"] } },
      titledMulti: { type: "array", items: { anyOf: [{ const: "value1", title: "First" }] } },
    }),
  ),
  tool("test_reconnection", async ({ closeSSEStream }) => {
    // The client has to come back with Last-Event-ID to get the answer.
    closeSSEStream?.();
    await delay(100);
    return [text("after the reconnection")];
  }),
  tool("json_schema_2020_12_tool", () => [text("ok")], {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    $defs: {
      address: { type: "object", properties: { street: { type: "string" }, city: { type: "string" } } },
    },
    properties: { name: { type: "string" }, address: { $ref: "#/$defs/address" } },
    additionalProperties: false,
  }),
];

type Elicitation = Extract<ServerRequest, { method: "elicitation/create" }>["params"];
type Properties = Extract<Elicitation, { requestedSchema: unknown }>["requestedSchema"]["properties"];

async function elicit(
  { sendRequest }: Extra,
  message: string,
  properties: Properties,
  required: string[] = [],
): Promise<ContentBlock[]> {
  const params = { message, requestedSchema: { type: "object" as const, properties, required } };
  const { action, content } = await sendRequest({ method: "elicitation/create", params }, ElicitResultSchema);
  return [text(`User response: action=${action}, content=${JSON.stringify(content)}`)];
}

// ---- resources

const resources = [
  { uri: "test://static-text", name: "static text", description: "a text", mimeType: "text/plain" },
  { uri: "test://static-binary", name: "static binary", description: "an image", mimeType: "image/png" },
  { uri: "test://watched-resource", name: "watched", description: "a text", mimeType: "text/plain" },
];
const resourceTemplates = [
  { uriTemplate: "test://template/{id}/data", name: "template", mimeType: "application/json" },
];

function read(uri: string): { uri: string; mimeType: string } & ({ text: string } | { blob: string }) {
  if (uri === "test://static-binary") return { uri, mimeType: "image/png", blob: png };
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id === undefined)
    return { uri, mimeType: "text/plain", text: "This is the content of a text resource." };
  return { uri, mimeType: "application/json", text: JSON.stringify({ id, data: `Data for ID: ${id}` }) };
}

// ---- prompts

interface PromptFixture {
  prompt: Prompt;
  messages(args: Record<string, string>): GetPromptResult["messages"];
}

function prompt(name: string, args: string[], contents: (args: Record<string, string>) => ContentBlock[]) {
  return {
    prompt: {
      name,
      description: name.replaceAll("_", " "),
      arguments: args.map((argument) => ({ name: argument, description: argument, required: true })),
    },
    messages: (given: Record<string, string>) =>
      contents(given).map((content) => ({ role: "user" as const, content })),
  };
}

const prompts: PromptFixture[] = [
  prompt("test_simple_prompt", [], () => [text("This is a simple prompt for testing.")]),
  prompt("test_prompt_with_arguments", ["arg1", "arg2"], ({ arg1, arg2 }) => [
    text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`),
  ]),
  prompt("test_prompt_with_embedded_resource", ["resourceUri"], ({ resourceUri = "" }) => [
    resource(resourceUri, "text/plain", "Embedded resource content for testing."),
    text("Please process the embedded resource above."),
  ]),
  prompt("test_prompt_with_image", [], () => [image, text("Please analyze the image above.")]),
];
