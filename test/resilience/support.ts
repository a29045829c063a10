import type { ClientEvents, TunnelClient } from "mcp-tunnel-client";

/** The next event with that name. */
export function nextEvent<Name extends keyof ClientEvents>(
  client: TunnelClient,
  name: Name,
): Promise<ClientEvents[Name][0]> {
  return new Promise((resolve) => {
    const listener = (...[event]: ClientEvents[Name]): void => {
      client.off(name, listener);
      resolve(event);
    };
    client.on(name, listener);
  });
}
