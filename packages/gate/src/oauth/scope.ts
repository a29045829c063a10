/** The one scope there is. What a host may do is the service's matter. */
export const scope = "mcp";

/**
 * The host of a client's metadata document, which proves that the client is that host's. Undefined: the
 * client registered itself.
 */
export function documentHostOf(clientId: string): string | undefined {
  return /^https:/i.test(clientId) ? new URL(clientId).host : undefined;
}
