import { once } from "node:events";
import type { ClientEvents, TunnelClient } from "mcp-tunnel-client";

/** The next event with that name. */
export async function nextEvent<Name extends keyof ClientEvents>(
  client: TunnelClient,
  name: Name,
): Promise<ClientEvents[Name][0]> {
  const [event] = await once(client, name);
  return event;
}
