/**
 * The address and the port as URLs and Host fields of http have them. A browser leaves out port 80, and
 * writes addresses of IPv6 in their short form.
 */
export function authorityOf(address: string, port: number): string {
  const suffix = port === 80 ? "" : `:${port}`;
  return new URL(`http://${address.includes(":") ? `[${address}]` : address}`).hostname + suffix;
}
