/** An address or a host name, with a port. */
export interface HostPort {
  host: string;
  port: number;
}

/** Writes both as in a URL, with an IPv6 address in brackets (RFC 3986 section 3.2.2). */
export function formatHostPort({ host, port }: HostPort): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
