import { TunnelError } from "mcp-tunnel-protocol";

/** Where a relay listens for others: a TCP port, or a unix socket for relays of one machine. */
export type PeerPlace = { readonly host: string; readonly port: number } | { readonly path: string };

const unixPrefix = "unix:";
/** The host in brackets if it has colons, as in a URL (RFC 3986 section 3.2.2). */
const tcpForm = /^(?:\[(?<v6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?<host>[^\s:[\]/]+)):(?<port>\d{1,5})$/;

/**
 * Reads `host:port`, `[v6]:port` or `unix:/path`.
 * @throws TunnelError `invalid_option`.
 */
export function parsePeerAddress(address: string): PeerPlace {
  if (address.startsWith(`${unixPrefix}/`)) return { path: address.slice(unixPrefix.length) };
  const { v6, host = v6, port } = tcpForm.exec(address)?.groups ?? {};
  if (host !== undefined && Number(port) >= 1 && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new TunnelError(
    "invalid_option",
    `'${address}' is no address of a relay: write host:port, [v6]:port or unix:/path`,
  );
}

/** Writes what {@link parsePeerAddress} reads. */
export function formatPeerAddress(place: PeerPlace): string {
  if ("path" in place) return `${unixPrefix}${place.path}`;
  return `${place.host.includes(":") ? `[${place.host}]` : place.host}:${place.port}`;
}
