import { startV1Server, startV2Server } from "../../../mcp/servers.js";
import type { Software } from "../matrix.js";
import { mcpScenarios } from "./mcp-python.js";

const works = {
  "serves MCP clients": "works",
  "serves a page of its own origin": "works",
  "refuses a page of another site": "works",
} as const;

/** With its protection against DNS rebinding, which is off by default. */
export const mcpTypeScriptV1: Software = {
  name: "MCP SDK for TypeScript, version 1, with `enableDnsRebindingProtection`",
  missing: () => false,
  start: () =>
    startV1Server(undefined, (port) => ({
      enableDnsRebindingProtection: true,
      allowedHosts: [`localhost:${port}`],
      allowedOrigins: [`http://localhost:${port}`],
    })),
  scenarios: mcpScenarios,
  expected: works,
};

export const mcpTypeScriptV2: Software = {
  name: "MCP SDK for TypeScript, version 2, with `localhostHostValidation` and `localhostOriginValidation`",
  missing: () => false,
  start: startV2Server,
  scenarios: mcpScenarios,
  expected: works,
};
