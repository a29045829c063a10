import type { Host } from "./host.js";

/**
 * The hosts that are known to come, with their habits. They are played by scripted.ts. Nobody has to run
 * them: what is here comes from their sources, their published documents and the reports of others.
 */

const publicClient = {
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  token_endpoint_auth_method: "none",
};

/** What the official SDKs do, and hosts that are built on them. */
const likeTheSdk = {
  authMethods: ["none", "client_secret_post", "client_secret_basic"],
  finds: "by challenge",
  asks: ["oauth-authorization-server", "openid-configuration"],
  scope: "challenged",
  namesResource: ["authorize", "token", "refresh"],
  iss: "checked",
} as const;

const sdkSource =
  "SDK order and parameters: modelcontextprotocol/typescript-sdk packages/client/src/client/auth.ts";

const claudeCallbacks = [
  "https://claude.ai/api/mcp/auth_callback",
  "https://claude.com/api/mcp/auth_callback",
];

const claude: Host[] = [
  {
    ...likeTheSdk,
    name: "Claude, by its document",
    identity: {
      by: "document",
      document: {
        client_id: "https://claude.ai/oauth/mcp-oauth-client-metadata",
        client_name: "Claude",
        client_uri: "https://claude.ai",
        redirect_uris: ["https://claude.ai/api/mcp/auth_callback"],
        ...publicClient,
        grant_types: [...publicClient.grant_types, "urn:ietf:params:oauth:grant-type:jwt-bearer"],
      },
    },
    redirectUris: ["https://claude.ai/api/mcp/auth_callback"],
    authMethods: ["none"],
    iss: "ignored",
    demands: ["documents and none", "resource is the URL", "S256"],
    sources: [
      "document, as served on 2026-09-29: https://claude.ai/oauth/mcp-oauth-client-metadata",
      "takes a document only with `none`: https://github.com/home-assistant/core/issues/179326",
      "resource is the URL as entered: https://claude.com/docs/connectors/building/authentication",
      "refuses without S256: https://github.com/homeassistant-ai/ha-mcp/issues/1986",
    ],
  },
  {
    ...likeTheSdk,
    name: "Claude, registered",
    identity: {
      by: "registration",
      namesScope: true,
      body: { client_name: "Claude", redirect_uris: claudeCallbacks, ...publicClient },
    },
    redirectUris: claudeCallbacks,
    iss: "ignored",
    demands: ["registration", "resource is the URL"],
    sources: [
      "body: https://github.com/anthropics/claude-code/issues/5826",
      "both callbacks: https://support.claude.com/en/articles/11503834-building-custom-connectors-via-remote-mcp-servers",
    ],
  },
];

const claudeCodeSources = [
  "port is drawn, `localhost` in one version and 127.0.0.1 in another: https://github.com/anthropics/claude-code/issues/37747",
  "wants `resource` to be the URL: https://github.com/anthropics/claude-code/issues/76096",
  "adds offline_access: https://code.claude.com/docs/en/mcp; hence prompt=consent (OpenID Connect Core 1.0 section 11)",
];

const claudeCode: Host[] = [
  {
    ...likeTheSdk,
    name: "Claude Code, by its document",
    identity: {
      by: "document",
      document: {
        client_id: "https://claude.ai/oauth/claude-code-client-metadata",
        client_name: "Claude Code",
        client_uri: "https://claude.ai",
        redirect_uris: ["http://localhost/callback", "http://127.0.0.1/callback"],
        ...publicClient,
      },
    },
    redirectUris: ["http://localhost:{port}/callback", "http://127.0.0.1:{port}/callback"],
    authMethods: ["none"],
    addsScope: "offline_access",
    prompt: "consent",
    demands: ["documents and none", "resource is the URL"],
    sources: [
      "document, as served on 2026-10-01: https://claude.ai/oauth/claude-code-client-metadata",
      ...claudeCodeSources,
    ],
  },
  {
    ...likeTheSdk,
    name: "Claude Code, registered",
    identity: {
      by: "registration",
      namesScope: true,
      body: {
        client_name: "Claude Code (demo)",
        redirect_uris: ["http://localhost:{port}/callback"],
        ...publicClient,
      },
    },
    redirectUris: ["http://localhost:{port}/callback"],
    addsScope: "offline_access",
    prompt: "consent",
    demands: ["registration", "resource is the URL"],
    sources: [
      "registers where there is no client id: https://code.claude.com/docs/en/mcp",
      ...claudeCodeSources,
    ],
  },
  {
    ...likeTheSdk,
    name: "Claude Code, which looks for metadata at the root alone",
    identity: {
      by: "registration",
      namesScope: true,
      body: {
        client_name: "Claude Code (demo)",
        redirect_uris: ["http://localhost:{port}/callback"],
        ...publicClient,
      },
    },
    redirectUris: ["http://localhost:{port}/callback"],
    finds: "at the root",
    scope: "supported",
    demands: ["registration"],
    sources: ["https://github.com/anthropics/claude-code/issues/58802"],
  },
];

const chatGptKeys = {
  token_endpoint_auth_method: "private_key_jwt",
  token_endpoint_auth_methods_supported: ["none", "private_key_jwt"],
  token_endpoint_auth_signing_alg: "RS256",
  jwks_uri: "https://chatgpt.com/oauth/jwks.json",
};

/** ChatGPT's document and the redirect URI that goes with it. */
function chatGptBy(id: string, redirectUri: string): Pick<Host, "identity" | "redirectUris"> {
  return {
    identity: {
      by: "document",
      document: {
        client_id: id,
        client_name: "ChatGPT",
        client_uri: "https://chatgpt.com/",
        logo_uri: "https://persistent.oaistatic.com/sonic/misc/openai-logo.png",
        redirect_uris: [redirectUri],
        ...publicClient,
        ...chatGptKeys,
      },
    },
    redirectUris: [redirectUri],
  };
}

const likeChatGpt = {
  authMethods: ["private_key_jwt", "none"],
  finds: "by challenge",
  asks: ["openid-configuration", "oauth-authorization-server"],
  scope: "supported",
  namesResource: ["authorize", "token"],
  demands: ["S256"],
} as const;

const chatGptSources = [
  "prefers a document, and private_key_jwt; sends the metadata's `resource` in both requests; wants S256: https://developers.openai.com/plugins/build/auth",
  "keys and methods of the document: https://chatgpt.com/oauth/client.json, as served on 2026-09-08",
];

const chatGpt: Host[] = [
  {
    ...likeChatGpt,
    ...chatGptBy(
      "https://chatgpt.com/oauth/client.json",
      "https://chatgpt.com/connector_platform_oauth_redirect",
    ),
    name: "ChatGPT, by its document",
    iss: "checked",
    sources: [
      "this document where `iss` is announced: https://developers.openai.com/plugins/build/auth",
      ...chatGptSources,
    ],
  },
  {
    ...likeChatGpt,
    ...chatGptBy(
      "https://chatgpt.com/oauth/a1B2c3D4e5F6/client.json",
      "https://chatgpt.com/connector/oauth/a1B2c3D4e5F6",
    ),
    name: "ChatGPT, by the document of one connection",
    iss: "ignored",
    sources: [
      "one document for each connection where `iss` is not announced: https://developers.openai.com/plugins/build/auth",
      ...chatGptSources,
    ],
  },
  {
    ...likeChatGpt,
    name: "ChatGPT, registered",
    identity: {
      by: "registration",
      namesScope: false,
      body: {
        client_name: "ChatGPT",
        redirect_uris: ["https://chatgpt.com/connector/oauth/a1B2c3D4e5F6"],
        ...publicClient,
      },
    },
    redirectUris: ["https://chatgpt.com/connector/oauth/a1B2c3D4e5F6"],
    authMethods: ["none"],
    iss: "ignored",
    demands: ["registration", "S256"],
    sources: ["registers once for each connection: https://developers.openai.com/plugins/build/auth"],
  },
];

const likeCodex = {
  ...likeTheSdk,
  asks: ["oauth-authorization-server", "openid-configuration"],
  scope: "supported",
  // It leaves the resource out when it refreshes.
  namesResource: ["authorize", "token"],
} as const;

const codexRegistration: Host["identity"] = {
  by: "registration",
  namesScope: true,
  body: {
    client_name: "Codex",
    redirect_uris: ["http://127.0.0.1:{port}/callback/q9Zr3TtGv1Lk"],
    ...publicClient,
  },
};

const codexSources = [
  "callback with an id of twelve characters and a port that is drawn: openai/codex codex-rs/rmcp-client/src/perform_oauth_login.rs",
  "names no resource when it refreshes: https://github.com/openai/codex/issues/33403",
];

const codex: Host[] = [
  {
    ...likeCodex,
    name: "Codex, by its document",
    identity: {
      by: "document",
      document: {
        client_id: "https://chatgpt.com/oauth/codex/client.json",
        client_name: "Codex",
        redirect_uris: ["http://127.0.0.1/callback", "http://localhost/callback"],
        ...publicClient,
      },
    },
    redirectUris: ["http://127.0.0.1:{port}/callback"],
    demands: ["documents and none"],
    sources: [
      "document, as served on 2026-09-24: https://chatgpt.com/oauth/codex/client.json",
      "checks `iss` since openai/codex#33354: https://github.com/openai/codex/issues/33354",
      ...codexSources,
    ],
  },
  {
    ...likeCodex,
    name: "Codex, registered",
    identity: codexRegistration,
    redirectUris: ["http://127.0.0.1:{port}/callback/q9Zr3TtGv1Lk"],
    demands: ["registration"],
    sources: codexSources,
  },
  {
    ...likeCodex,
    name: "Codex 0.144, which drops iss",
    identity: codexRegistration,
    redirectUris: ["http://127.0.0.1:{port}/callback/q9Zr3TtGv1Lk"],
    iss: "dropped",
    demands: ["registration"],
    sources: ["https://github.com/openai/codex/issues/31573", ...codexSources],
  },
];

const cursorCallbacks = [
  "http://localhost:8787/callback",
  "cursor://anysphere.cursor-mcp/oauth/callback",
  "https://www.cursor.com/agents/mcp/oauth/callback",
];

const cursor: Host[] = [
  {
    ...likeTheSdk,
    name: "Cursor",
    identity: {
      by: "registration",
      namesScope: true,
      body: { client_name: "Cursor", redirect_uris: cursorCallbacks, ...publicClient },
    },
    redirectUris: cursorCallbacks,
    demands: ["registration"],
    sources: [
      "three at once: https://forum.cursor.com/t/oauth-redirect-uri-changed-from-cursor-to-http-localhost-for-streamable-http-mcp/165019",
      "and without application_type: https://github.com/better-auth/better-auth/pull/10956",
    ],
  },
  {
    ...likeTheSdk,
    name: "Cursor, which takes itself for a web application",
    identity: {
      by: "registration",
      namesScope: true,
      body: {
        client_name: "Cursor",
        application_type: "web",
        redirect_uris: ["cursor://anysphere.cursor-mcp/oauth/callback"],
        ...publicClient,
      },
    },
    redirectUris: ["cursor://anysphere.cursor-mcp/oauth/callback"],
    demands: ["registration"],
    sources: ["https://github.com/better-auth/better-auth/issues/10946"],
  },
];

const vsCodeCallbacks = [
  "http://127.0.0.1:{port}/",
  "http://127.0.0.1:33418/",
  "https://vscode.dev/redirect",
];
const deviceCode = "urn:ietf:params:oauth:grant-type:device_code";

const likeVsCode = {
  authMethods: ["none"],
  finds: "by challenge",
  asks: ["oauth-authorization-server", "openid-configuration"],
  scope: "challenged",
  namesResource: ["authorize"],
  iss: "ignored",
} as const;

const vsCodeSources = [
  "`resource` has to be the URL; order of addresses: microsoft/vscode src/vs/base/common/oauth.ts",
  "names the resource only to the authorization endpoint: microsoft/vscode src/vs/workbench/api/common/extHostAuthentication.ts",
];

const vsCode: Host[] = [
  {
    ...likeVsCode,
    name: "VS Code, by its document",
    identity: {
      by: "document",
      document: {
        client_id: "https://vscode.dev/oauth/client-metadata.json",
        client_name: "Visual Studio Code",
        client_uri: "https://vscode.dev/product",
        logo_uri: "https://code.visualstudio.com/assets/branding/code-stable.png",
        redirect_uris: ["http://127.0.0.1:33418/", "https://vscode.dev/redirect"],
        ...publicClient,
        grant_types: [...publicClient.grant_types, deviceCode],
        application_type: "native",
      },
    },
    redirectUris: vsCodeCallbacks,
    demands: ["documents and none", "resource is the URL", "grant types"],
    sources: [
      "document, as served on 2026-09-08: https://vscode.dev/oauth/client-metadata.json",
      ...vsCodeSources,
    ],
  },
  {
    ...likeVsCode,
    name: "VS Code, registered",
    identity: {
      by: "registration",
      namesScope: true,
      onlyAnnouncedGrants: true,
      body: {
        client_name: "Visual Studio Code",
        client_uri: "https://code.visualstudio.com",
        redirect_uris: [
          "https://insiders.vscode.dev/redirect",
          "https://vscode.dev/redirect",
          "http://127.0.0.1/",
          "http://127.0.0.1:33418/",
        ],
        ...publicClient,
        grant_types: [...publicClient.grant_types, deviceCode],
        application_type: "native",
      },
    },
    redirectUris: [...vsCodeCallbacks, "https://insiders.vscode.dev/redirect"],
    demands: ["registration", "resource is the URL", "grant types"],
    sources: [
      "body: microsoft/vscode src/vs/base/common/oauth.ts, fetchDynamicRegistration",
      ...vsCodeSources,
    ],
  },
];

const inspector: Host[] = [
  {
    ...likeTheSdk,
    name: "MCP Inspector in a browser",
    identity: {
      by: "registration",
      namesScope: true,
      body: {
        client_name: "MCP Inspector",
        client_uri: "https://github.com/modelcontextprotocol/inspector",
        redirect_uris: ["http://localhost:6274/oauth/callback", "http://localhost:6274/oauth/callback/debug"],
        ...publicClient,
      },
    },
    redirectUris: ["http://localhost:6274/oauth/callback", "http://localhost:6274/oauth/callback/debug"],
    finds: "by address",
    scope: "supported",
    demands: ["registration"],
    origin: "http://localhost:6274",
    sources: [
      "body, callbacks, scope: modelcontextprotocol/inspector client/src/lib/auth.ts, releases 0 and 1",
      "the scope is empty if nothing names one: the same file, clientMetadata",
    ],
  },
  {
    ...likeTheSdk,
    name: "an SDK in a browser",
    identity: {
      by: "registration",
      namesScope: true,
      body: {
        client_name: "A page",
        redirect_uris: ["http://localhost:6274/oauth/callback"],
        ...publicClient,
      },
    },
    redirectUris: ["http://localhost:6274/oauth/callback"],
    demands: ["registration"],
    origin: "http://localhost:6274",
    sources: [
      "reads the challenge, as far as CORS lets it: Fetch standard, CORS-safelisted response-header name",
      sdkSource,
    ],
  },
  {
    ...likeTheSdk,
    name: "MCP Inspector in a terminal",
    identity: {
      by: "registration",
      namesScope: true,
      body: {
        client_name: "MCP Inspector",
        redirect_uris: ["http://127.0.0.1:6276/oauth/callback"],
        ...publicClient,
      },
    },
    redirectUris: ["http://127.0.0.1:6276/oauth/callback"],
    demands: ["registration"],
    sources: ["port of its own: modelcontextprotocol/inspector docs, CLI of release 2", sdkSource],
  },
];

const others: Host[] = [
  {
    ...likeTheSdk,
    name: "mcp-remote",
    identity: {
      by: "registration",
      namesScope: true,
      body: {
        client_name: "MCP CLI Proxy",
        client_uri: "https://github.com/modelcontextprotocol/mcp-cli",
        software_id: "2e6dc280-f3c3-4e01-99a7-8181dbd1d23d",
        software_version: "0.15.1",
        redirect_uris: ["http://localhost:{port}/oauth/callback"],
        ...publicClient,
      },
    },
    redirectUris: ["http://localhost:{port}/oauth/callback"],
    demands: ["registration"],
    sources: ["body: punkpeye/mcp-remote src/lib/node-oauth-client-provider.ts, release 0.15.1", sdkSource],
  },
  {
    ...likeTheSdk,
    name: "mcp-remote, where nothing names a scope",
    identity: {
      by: "registration",
      namesScope: true,
      body: {
        client_name: "MCP CLI Proxy",
        redirect_uris: ["http://localhost:{port}/oauth/callback"],
        ...publicClient,
      },
    },
    redirectUris: ["http://localhost:{port}/oauth/callback"],
    scope: "none",
    addsScope: "openid email profile",
    demands: ["registration"],
    sources: ["FALLBACK_SCOPE: punkpeye/mcp-remote src/lib/node-oauth-client-provider.ts, release 0.15.1"],
  },
  {
    ...likeTheSdk,
    name: "a client of revision 2025-03-26",
    identity: {
      by: "registration",
      namesScope: false,
      body: {
        client_name: "An old client",
        redirect_uris: ["http://localhost:{port}/callback"],
        ...publicClient,
      },
    },
    redirectUris: ["http://localhost:{port}/callback"],
    finds: "nothing",
    asks: ["oauth-authorization-server"],
    scope: "none",
    namesResource: [],
    iss: "ignored",
    demands: ["registration"],
    sources: [
      "the issuer is the server's own origin, and there is no `resource`: https://modelcontextprotocol.io/specification/2025-03-26/basic/authorization",
    ],
  },
  {
    ...likeTheSdk,
    name: "a client that registers and says nothing of its method",
    identity: {
      by: "registration",
      namesScope: false,
      body: { redirect_uris: ["http://127.0.0.1:{port}/callback"] },
    },
    redirectUris: ["http://127.0.0.1:{port}/callback"],
    demands: ["registration"],
    sources: ["the default is client_secret_basic: https://www.rfc-editor.org/rfc/rfc7591.html#section-2"],
  },
];

export const hosts: readonly Host[] = [
  ...claude,
  ...claudeCode,
  ...chatGpt,
  ...codex,
  ...cursor,
  ...vsCode,
  ...inspector,
  ...others,
];
