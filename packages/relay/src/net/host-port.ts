/** An address, or a name, and a port. */
export interface HostPort {
  host: string;
  port: number;
}

/** In the form of a URL: an IPv6 address stands in brackets (RFC 3986 section 3.2.2). */
export function formatHostPort({ host, port }: HostPort): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
