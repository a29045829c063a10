import assert from "node:assert/strict";
import {
  Client as V2Client,
  type OAuthClientProvider as V2Provider,
  type OAuthDiscoveryState,
  StreamableHTTPClientTransport as V2Transport,
} from "@modelcontextprotocol/client";
import { Client as V1Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as V1Transport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { OAuthClientInformationMixed, OAuthTokens } from "@modelcontextprotocol/sdk/shared/auth.js";
import type { Need, Scenario, Software } from "../matrix.js";
import type { UserAgent } from "../user-agent.js";
import { missingPython, startPython } from "./python.js";

const identity = { name: "mcp-tunnel-tests", version: "1.0.0" };
const sum = { name: "add", arguments: { a: 1, b: 2 } };

/** Lists the tools and calls one, with the client of the official SDK. */
async function useTools(visitor: UserAgent, path: string): Promise<void> {
  const client = new V2Client(identity, { versionNegotiation: { mode: "auto" } });
  await client.connect(new V2Transport(new URL(`${visitor.origin}${path}`), { fetch: visitor.fetch }));
  try {
    const { content } = await client.callTool(sum);
    assert.deepEqual(content, [{ type: "text", text: "3" }]);
  } finally {
    await client.close();
  }
}

/** A call of a tool, as the script of a page sends it. */
const initialize = {
  method: "POST",
  headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
  body: JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: identity },
  }),
};

const ownPage: Scenario = async (visitor) => {
  assert.equal((await visitor.open("/mcp", initialize)).status, 200);
};
const foreignPage: Scenario = async (visitor) => {
  assert.equal(
    (await visitor.open("/mcp", { ...initialize, foreign: "https://attacker.example" })).status,
    403,
  );
};

/** The scenarios of a server at `/mcp` with guards against DNS rebinding. */
export const mcpScenarios: Record<string, Scenario> = {
  "serves MCP clients": (visitor) => useTools(visitor, "/mcp"),
  "serves a page of its own origin": ownPage,
  "refuses a page of another site": foreignPage,
};

export const mcpMounted: Software = {
  name: "FastAPI with an MCP server mounted at /mcp",
  missing: missingPython,
  start: () => startPython("uvicorn", (port) => ["--port", String(port), "mcp_mounted:app"]),
  scenarios: {
    async "redirects to the trailing slash"(visitor) {
      assert.equal((await visitor.open("/items")).text, '["item"]');
    },
    "serves MCP clients that ask for /mcp, by a redirect": (visitor) => useTools(visitor, "/mcp"),
    "serves a page of its own origin": ownPage,
    "refuses a page of another site": foreignPage,
  },
  expected: {
    "redirects to the trailing slash": "works",
    "serves MCP clients that ask for /mcp, by a redirect": "works",
    "serves a page of its own origin": "works",
    "refuses a page of another site": "works",
  },
};

export const mcpGuarded: Software = {
  name: "MCP SDK for Python",
  missing: missingPython,
  start: () => startPython("mcp_guarded", (port) => [String(port)]),
  scenarios: mcpScenarios,
  expected: {
    "serves MCP clients": "works",
    "serves a page of its own origin": "works",
    "refuses a page of another site": "works",
  },
};

/**
 * The user's side of OAuth: the browser follows the authorization URL, and the code comes back to the
 * client's own page.
 */
class SignIn implements V2Provider {
  readonly redirectUrl = "http://127.0.0.1:9/callback";
  readonly clientMetadata = {
    client_name: "mcp-tunnel-tests",
    redirect_uris: [this.redirectUrl],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
  };
  /** The query with which the browser was sent back. */
  callback = new URLSearchParams();
  readonly #visitor: UserAgent;
  #client: OAuthClientInformationMixed | undefined;
  #tokens: OAuthTokens | undefined;
  #verifier = "";
  #discovery: OAuthDiscoveryState | undefined;

  constructor(visitor: UserAgent) {
    this.#visitor = visitor;
  }

  clientInformation(): OAuthClientInformationMixed | undefined {
    return this.#client;
  }

  saveClientInformation(client: OAuthClientInformationMixed): void {
    this.#client = client;
  }

  tokens(): OAuthTokens | undefined {
    return this.#tokens;
  }

  saveTokens(tokens: OAuthTokens): void {
    this.#tokens = tokens;
  }

  async redirectToAuthorization(url: URL): Promise<void> {
    const { headers } = await this.#visitor.open(url.href, { redirect: "manual" });
    this.callback = new URL(headers["location"] as string).searchParams;
  }

  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }

  codeVerifier(): string {
    return this.#verifier;
  }

  saveDiscoveryState(discovery: OAuthDiscoveryState): void {
    this.#discovery = discovery;
  }

  discoveryState(): OAuthDiscoveryState | undefined {
    return this.#discovery;
  }
}

/** Discovery, registration, authorization, token, call. */
const signInV2: Scenario = async (visitor) => {
  const authProvider = new SignIn(visitor);
  const url = new URL(`${visitor.origin}/mcp`);
  const first = new V2Transport(url, { fetch: visitor.fetch, authProvider });
  await assert.rejects(new V2Client(identity).connect(first), { name: "UnauthorizedError" });
  await first.finishAuth(authProvider.callback);
  const client = new V2Client(identity);
  await client.connect(new V2Transport(url, { fetch: visitor.fetch, authProvider }));
  assert.deepEqual((await client.callTool(sum)).content, [{ type: "text", text: "3" }]);
  await client.close();
};

const signInV1: Scenario = async (visitor) => {
  const authProvider = new SignIn(visitor);
  const url = new URL(`${visitor.origin}/mcp`);
  const first = new V1Transport(url, { fetch: visitor.fetch, authProvider });
  await assert.rejects(new V1Client(identity).connect(first), /Unauthorized/);
  await first.finishAuth(authProvider.callback.get("code") as string);
  const client = new V1Client(identity);
  await client.connect(new V1Transport(url, { fetch: visitor.fetch, authProvider }));
  assert.deepEqual((await client.callTool(sum)).content, [{ type: "text", text: "3" }]);
  await client.close();
};

const signIns = {
  "signs in a client of the TypeScript SDK, version 1": signInV1,
  "signs in a client of the TypeScript SDK, version 2": signInV2,
};

export const mcpOauth: Software = {
  name: "MCP SDK for Python with its own authorization server",
  missing: missingPython,
  start: () => startPython("mcp_oauth", (port) => [String(port)]),
  scenarios: signIns,
  expected: {
    "signs in a client of the TypeScript SDK, version 1": "works",
    "signs in a client of the TypeScript SDK, version 2": {
      with: "none",
      over: ["http"],
      why: "without TLS the client sends no credentials to a name that is not this machine's",
    },
  },
};

const resourceDiffers: Need = {
  with: "none",
  why:
    "clients ask for a token for the public URL, which the server compares with its own: " +
    "set `resource_server_url` and `issuer_url` to the public one",
};

export const mcpOauthStrict: Software = {
  name: "MCP SDK for Python with its own authorization server and `validate_token_resource`",
  missing: missingPython,
  start: () => startPython("mcp_oauth", (port) => [String(port), "--validate-resource"]),
  scenarios: signIns,
  expected: {
    "signs in a client of the TypeScript SDK, version 1": resourceDiffers,
    "signs in a client of the TypeScript SDK, version 2": resourceDiffers,
  },
};
