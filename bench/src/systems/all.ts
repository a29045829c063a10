import { contenders } from "./contenders.js";
import {
  mcpTunnel,
  mcpTunnelBearer,
  mcpTunnelInspect,
  mcpTunnelKey,
  mcpTunnelStdio,
  nginxTls,
} from "./mcp-tunnel.js";
import { bareNode, direct, nginx } from "./references.js";
import type { System } from "./system.js";

/** All that take part in a whole run besides the floor. */
export const usualSystems: readonly System[] = [
  ...[direct, nginx, nginxTls, bareNode, mcpTunnel, mcpTunnelStdio],
  ...contenders,
];

/** All that `--systems` may name. */
export const knownSystems: readonly System[] = [
  ...usualSystems,
  ...[mcpTunnelKey, mcpTunnelBearer, mcpTunnelInspect],
];

export const systemNames: readonly string[] = knownSystems.map((system) => system.name);
