import {
  Client as V2Client,
  StreamableHTTPClientTransport as V2HttpTransport,
} from "@modelcontextprotocol/client";
import { StdioClientTransport as V2StdioTransport } from "@modelcontextprotocol/client/stdio";
import { Client as V1Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as V1StdioTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as V1HttpTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { localFetch } from "../mcp/clients.js";
import { cleanEnvironment } from "../support/commands.js";
import { Journal } from "./journal.js";
import type { StdioServer } from "./servers.js";

/** The way to a server: its process, or its URL behind the bridge. */
export type Way = StdioServer | { readonly url: string };

/** The SDKs' clients, and the eras in which they open a connection. */
export const generations = ["v1", "v2 legacy", "v2 auto"] as const;
export type Generation = (typeof generations)[number];

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Asks for progress. It is called for each report. */
  readonly onprogress?: (progress: unknown) => void;
}

type Params = Record<string, unknown>;

/** An official client that is connected, and all that it sees. */
export interface Session {
  readonly generation: Generation;
  readonly journal: Journal;
  readonly user: User;
  /** Whether the connection is of revision 2026-07-28. */
  readonly isModern: boolean;
  readonly identity: unknown;
  /** By the client's own method for `method` if it has one, which checks what it gets. */
  call(method: string, params?: Params, options?: CallOptions): Promise<unknown>;
  tool(name: string, args?: Params, options?: CallOptions): Promise<unknown>;
  /** Opens a subscription of revision 2026-07-28. */
  listen(filter: Params): Promise<{ close(): Promise<void>; readonly closed: Promise<string> }>;
  rootsChanged(): Promise<void>;
  close(): Promise<void>;
}

const identity = { name: "mcp-tunnel-tests", version: "1.0.0" };
const capabilities = {
  sampling: {},
  elicitation: { form: {}, url: {} },
  roots: { listChanged: true },
};

/** The part that both SDKs' clients have in common. */
interface SdkClient {
  // oxlint-disable-next-line typescript/no-explicit-any -- the SDKs' own types differ
  request(request: { method: string; params: Params }, schema: any, options?: CallOptions): Promise<unknown>;
}

/** The clients' own methods. */
const methods: Readonly<Record<string, string>> = {
  ping: "ping",
  "tools/list": "listTools",
  "resources/list": "listResources",
  "resources/templates/list": "listResourceTemplates",
  "resources/read": "readResource",
  "resources/subscribe": "subscribeResource",
  "resources/unsubscribe": "unsubscribeResource",
  "prompts/list": "listPrompts",
  "prompts/get": "getPrompt",
  "completion/complete": "complete",
  "logging/setLevel": "setLoggingLevel",
};

function call(client: SdkClient, method: string, params: Params, options: CallOptions): Promise<unknown> {
  const own = methods[method];
  if (own === undefined) return client.request({ method, params }, z.looseObject({}), options);
  const callOwn = (client as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[own];
  if (method === "ping") return (callOwn as NonNullable<typeof callOwn>).call(client, options);
  const argument = method === "logging/setLevel" ? params["level"] : params;
  return (callOwn as NonNullable<typeof callOwn>).call(client, argument, options);
}

/** The person at the client. */
export interface User {
  /** What they do about a form, or a page to open. */
  action: "accept" | "decline" | "cancel";
}

/** What a client answers to the requests of its server. */
function answersOf(user: User) {
  return {
    sampling: (params: Params) => ({
      model: "a model",
      role: "assistant" as const,
      content: { type: "text" as const, text: `to ${JSON.stringify(params["messages"])}` },
    }),
    elicitation: ({ mode }: Params) =>
      mode === "url" || user.action !== "accept"
        ? { action: user.action }
        : { action: user.action, content: { name: "Ada", colour: "blue", count: 7 } },
    roots: () => ({
      roots: [{ uri: "file:///no/such/folder", name: "a folder" }, { uri: "file:///no/other" }],
    }),
  };
}

export async function connect(generation: Generation, way: Way): Promise<Session> {
  const local = localFetch();
  const journal = new Journal();
  const user: User = { action: "accept" };
  const opening = { way, journal, answers: answersOf(user), fetch: local.fetch };
  const session =
    generation === "v1"
      ? await connectV1(opening)
      : await connectV2(opening, generation === "v2 auto" ? "auto" : "legacy");
  return {
    ...session,
    generation,
    journal,
    user,
    async close() {
      await session.close();
      await local.close();
    },
  };
}

interface Opening {
  readonly way: Way;
  readonly journal: Journal;
  readonly answers: ReturnType<typeof answersOf>;
  readonly fetch: typeof fetch;
}

type Opened = Omit<Session, "generation" | "journal" | "user">;

/** The parameters of both SDKs' stdio transports. */
interface ProcessParameters {
  command: string;
  args: string[];
  env: Record<string, string>;
  cwd?: string;
  stderr: "ignore";
}

function processOf({ command, args, env, cwd }: StdioServer): ProcessParameters {
  return {
    command,
    args: [...args],
    env: cleanEnvironment(env) as Record<string, string>,
    ...(cwd === undefined ? {} : { cwd }),
    stderr: "ignore",
  };
}

async function connectV1({ way, journal, answers, fetch: fetchThere }: Opening): Promise<Opened> {
  const transport =
    "url" in way
      ? new V1HttpTransport(new URL(way.url), { fetch: fetchThere })
      : new V1StdioTransport(processOf(way));
  journal.watch(transport);
  const client = new V1Client(identity, { capabilities });
  client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => answers.sampling(params));
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => answers.elicitation(params));
  client.setRequestHandler(ListRootsRequestSchema, answers.roots);
  await client.connect(transport);
  return {
    isModern: false,
    identity: [client.getServerVersion(), client.getServerCapabilities(), client.getInstructions()],
    call: (method, params = {}, options = {}) => call(client, method, params, options),
    tool: (name, args = {}, options = {}) => client.callTool({ name, arguments: args }, undefined, options),
    listen: () => Promise.reject(new Error("not in this generation")),
    rootsChanged: () => client.sendRootsListChanged(),
    async close() {
      if (transport instanceof V1HttpTransport) await transport.terminateSession();
      await client.close();
    },
  };
}

async function connectV2(
  { way, journal, answers, fetch: fetchThere }: Opening,
  mode: "auto" | "legacy",
): Promise<Opened> {
  const transport =
    "url" in way
      ? new V2HttpTransport(new URL(way.url), { fetch: fetchThere })
      : new V2StdioTransport(processOf(way));
  journal.watch(transport);
  const client = new V2Client(identity, { capabilities, versionNegotiation: { mode } });
  client.setRequestHandler("sampling/createMessage", ({ params }) => answers.sampling(params));
  client.setRequestHandler("elicitation/create", ({ params }) => answers.elicitation(params));
  client.setRequestHandler("roots/list", answers.roots);
  await client.connect(transport);
  return {
    isModern: client.getProtocolEra() === "modern",
    identity: [
      client.getProtocolEra(),
      client.getNegotiatedProtocolVersion(),
      client.getServerVersion(),
      client.getServerCapabilities(),
      client.getInstructions(),
    ],
    call: (method, params = {}, options = {}) => call(client, method, params, options),
    tool: (name, args = {}, options = {}) => client.callTool({ name, arguments: args }, options),
    listen: (filter) => client.listen(filter),
    rootsChanged: () => client.sendRootsListChanged(),
    async close() {
      if (transport instanceof V2HttpTransport) await transport.terminateSession();
      await client.close();
    },
  };
}
