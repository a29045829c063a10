const ipv4Loopback = /^127(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}$/;
/** `::1`, and the IPv4 addresses within IPv6 (RFC 4291 section 2.5.5.2), as a URL spells them. */
const ipv6Loopback = /^\[::(?:1|ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4})\]$/;

/** Whether a name is `localhost` or below it, which always is this machine (RFC 6761 section 6.3). */
export function isLocalhost(hostname: string): boolean {
  return /(?:^|\.)localhost\.?$/i.test(hostname);
}

/** Whether a name, or an address, means this machine. IPv6 may be in brackets, as in a URL. */
export function isLoopback(hostname: string): boolean {
  return isLocalhost(hostname) || isLoopbackAddress(hostname);
}

/**
 * Whether `text` is an address of this machine alone: 127.0.0.0/8 or ::1, in any spelling, and in brackets or
 * without.
 */
export function isLoopbackAddress(text: string): boolean {
  const address = /^\[?([0-9a-f:.]+)\]?$/i.exec(text)?.[1] ?? "";
  if (!address.includes(":")) return ipv4Loopback.test(text);
  const url = `http://[${address}]`;
  return URL.canParse(url) && ipv6Loopback.test(new URL(url).hostname);
}
