// An MCP server of the SDK's second generation, over stdio: `serveStdio` speaks both eras.
import { once } from "node:events";
import {
  acceptedContent,
  completable,
  inputRequired,
  inputResponse,
  McpServer,
  ResourceTemplate,
} from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

const text = (value) => ({ content: [{ type: "text", text: String(value) }] });

/** The calls of `wait` that were cancelled, over all instances of the server. */
const cancellations = new AbortController();

serveStdio(() => {
  const server = new McpServer(
    { name: "sdk2", title: "A server of SDK 2", version: "1.0.0" },
    {
      capabilities: { logging: {}, resources: { subscribe: true, listChanged: true } },
      instructions: "Test me.",
    },
  );

  server.registerTool(
    "add",
    {
      description: "Adds two numbers",
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      outputSchema: z.object({ sum: z.number() }),
    },
    ({ a, b }) => ({ ...text(a + b), structuredContent: { sum: a + b } }),
  );
  server.registerTool(
    "count",
    {
      description: "Counts up and reports its progress",
      inputSchema: z.object({ to: z.number(), pauseMs: z.number() }),
    },
    async ({ to, pauseMs }, { mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken;
      for (let progress = 1; progress <= to; progress++) {
        if (progressToken === undefined) break;
        const params = { progressToken, progress, total: to, message: `counted to ${progress}` };
        await mcpReq.notify({ method: "notifications/progress", params });
        if (pauseMs > 0) await once(AbortSignal.timeout(pauseMs), "abort");
      }
      return text(`counted to ${to}`);
    },
  );
  server.registerTool("media", { description: "An image, a sound, a link and a resource" }, () => ({
    content: [
      { type: "image", data: "iVBORw0KGgo=", mimeType: "image/png", annotations: { audience: ["user"] } },
      { type: "audio", data: "UklGRg==", mimeType: "audio/wav" },
      { type: "resource_link", uri: "sdk2://watched", name: "watched" },
      { type: "resource", resource: { uri: "sdk2://embedded", text: "embedded" } },
    ],
    _meta: { "example.com/unknown": { kept: [1, 2.5, null] } },
  }));
  server.registerTool(
    "large",
    { description: "Says a long text", inputSchema: z.object({ size: z.number() }) },
    ({ size }) => text("ä€😀x".repeat(size)),
  );
  server.registerTool("fail", { description: "Fails" }, () => {
    throw new Error("on purpose");
  });
  server.registerTool("log", { description: "Logs at three levels" }, async ({ mcpReq }) => {
    await mcpReq.log("debug", "a detail");
    await mcpReq.log("info", { structured: [1, null, "ä€😀"] });
    await mcpReq.log("warning", "a warning", "sdk2");
    return text("logged");
  });

  // ---- what the client is asked for

  const answer = z.object({ colour: z.string(), count: z.number().default(3) });
  server.registerTool("choose", { description: "Asks the user" }, ({ mcpReq }) => {
    const { inputResponses } = mcpReq;
    if (inputResponses === undefined) {
      const asked = inputRequired.elicit({ message: "Which colour?", requestedSchema: answer });
      return inputRequired({ inputRequests: { answer: asked }, requestState: "a state, ä€😀" });
    }
    return text(JSON.stringify([acceptedContent(inputResponses, "answer"), mcpReq.requestState?.()]));
  });
  server.registerTool("open", { description: "Sends the user to a page" }, ({ mcpReq }) => {
    const { inputResponses } = mcpReq;
    if (inputResponses === undefined) {
      const page = inputRequired.elicitUrl({ message: "Open this", url: "https://example.com/page" });
      return inputRequired({ inputRequests: { page } });
    }
    return text(JSON.stringify(inputResponse(inputResponses, "page")));
  });
  server.registerTool(
    "think",
    { description: "Asks the client's model, and for its roots" },
    ({ mcpReq }) => {
      const { inputResponses } = mcpReq;
      if (inputResponses === undefined) {
        const thought = inputRequired.createMessage({
          messages: [{ role: "user", content: { type: "text", text: "What is a tunnel?" } }],
          maxTokens: 10,
        });
        return inputRequired({ inputRequests: { thought, roots: inputRequired.listRoots() } });
      }
      return text(
        JSON.stringify([inputResponse(inputResponses, "thought"), inputResponse(inputResponses, "roots")]),
      );
    },
  );

  // ---- cancellation

  server.registerTool("wait", { description: "Waits until it is cancelled" }, async ({ mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress: 1 } });
    if (!mcpReq.signal.aborted) await once(mcpReq.signal, "abort");
    cancellations.abort();
    return text("cancelled");
  });
  server.registerTool("cancelled", { description: "Waits until a call of `wait` is cancelled" }, async () => {
    if (!cancellations.signal.aborted) await once(cancellations.signal, "abort");
    return text("cancelled");
  });

  // ---- what changes

  server.registerTool("touch", { description: "Tells that a resource has changed" }, async () => {
    await server.server.sendResourceUpdated({ uri: "sdk2://watched" });
    return text("touched");
  });
  let tools = 0;
  server.registerTool("grow", { description: "Adds a tool" }, () => {
    server.registerTool(`grown-${++tools}`, { description: "Is new" }, () => text("new"));
    return text("grown");
  });

  // ---- resources and prompts

  server.registerResource("watched", "sdk2://watched", { mimeType: "text/plain" }, ({ href }) => ({
    contents: [{ uri: href, mimeType: "text/plain", text: "watched" }],
  }));
  const template = new ResourceTemplate("sdk2://number/{number}", {
    list: undefined,
    complete: { number: (value) => ["1", "12", "123"].filter((known) => known.startsWith(value)) },
  });
  server.registerResource("number", template, { title: "A number" }, ({ href }, { number }) => ({
    contents: [
      { uri: href, mimeType: "application/octet-stream", blob: Buffer.from(number).toString("base64") },
    ],
  }));
  const names = (value) => ["Ada", "Alan", "Grace"].filter((name) => name.startsWith(value));
  server.registerPrompt(
    "greet",
    { description: "Greets", argsSchema: z.object({ name: completable(z.string(), names) }) },
    ({ name }) => ({ messages: [{ role: "user", content: { type: "text", text: `Greet ${name}.` } }] }),
  );
  return server;
});
