import { createService, TunnelClient } from "mcp-tunnel-client";
import { registerUrl, resolveProxy, resolveToken } from "mcp-tunnel-client/options";
import { TunnelError } from "mcp-tunnel-protocol";
import { Mistakes } from "mcp-tunnel-shared/command";
import type { FaultyTunnel } from "../config/tunnels-file.js";
import type { McpOptions } from "../options/mcp-options.js";
import type { VisitorOptions } from "../options/visitor-options.js";
import { throwAll } from "../options/mistakes.js";
import type { TunnelSettings } from "../options/tunnel-options.js";

/** What else is wrong with a tunnel that has mistakes. */
export async function mistakesInParts({
  local,
  mcp,
  allowAddresses,
}: FaultyTunnel): Promise<Mistakes<TunnelError>> {
  const mistakes = new Mistakes(TunnelError);
  if (local !== undefined) await mistakes.attemptLater(async () => createService(local).close());
  if (mcp !== undefined) await checkServers(mcp, true, mistakes);
  if (allowAddresses.length > 0) {
    const visitors = { kinds: [], keys: [], users: [], login: undefined, issParameter: true };
    await checkGate({ ...visitors, allowAddresses }, mistakes);
  }
  return mistakes;
}

/**
 * Checks the settings of one tunnel before anything is opened.
 * @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read; OptionMistakes if
 * there are several such mistakes.
 */
export async function checkSettings(settings: TunnelSettings): Promise<void> {
  throwAll(await mistakesInSettings(settings));
}

/**
 * All that is wrong with the settings of a tunnel, beyond what their readers know. Nothing is started, and
 * nobody is asked.
 */
export async function mistakesInSettings(settings: TunnelSettings): Promise<Mistakes<TunnelError>> {
  const { client, local, mcp, visitors } = settings;
  const mistakes = new Mistakes(TunnelError);
  const { relayUrl, proxyUrl, token } = client;
  mistakes.attempt(() => registerUrl(relayUrl));
  mistakes.attempt(() => resolveProxy(proxyUrl));
  mistakes.attempt(() => resolveToken(token));
  const service = mistakes.attempt(() => createService(mcp === undefined ? (local ?? {}) : { port: 1 }));
  // A client that is not started does nothing.
  if (service !== undefined && mistakes.all.length === 0)
    await mistakes.attemptLater(() => new TunnelClient({ ...client, service }).close());
  await service?.close();
  if (mcp !== undefined) await checkServers(mcp, (visitors?.kinds.length ?? 0) > 0, mistakes);
  if (visitors !== undefined) await checkGate(visitors, mistakes);
  return mistakes;
}

// Both are loaded when they are needed.

async function checkServers(
  mcp: McpOptions,
  isGuarded: boolean,
  mistakes: Mistakes<TunnelError>,
): Promise<void> {
  const { checkMcpServers } = await import("./mcp-servers.js");
  await checkMcpServers(mcp, isGuarded, mistakes);
}

async function checkGate(visitors: VisitorOptions, mistakes: Mistakes<TunnelError>): Promise<void> {
  const { checkVisitors } = await import("./visitor-gate.js");
  await mistakes.attemptLater(() => checkVisitors(visitors));
}
