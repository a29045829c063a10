import { unusable } from "mcp-tunnel-protocol";
import { isLocalhost, withoutTrailing } from "mcp-tunnel-shared";

/** Facts of a relay that decide how its tunnels are called. */
interface Reached {
  readonly domain: string;
  /** The relay speaks TLS itself. */
  readonly tls?: object | undefined;
  /** Proxies in front of it. */
  readonly trustedProxies?: readonly string[] | undefined;
}

/**
 * The template of a tunnel's public URL, unless the operator gives another. A relay without TLS has a proxy
 * in front that has it, with one exception: names below `localhost` lead to this machine, and so to the
 * relay's own port. A proxy that the operator has declared stands in front of that one too.
 */
export function defaultPublicUrl({ domain, tls, trustedProxies = [] }: Reached): string {
  const isBare = isLocalhost(domain) && tls === undefined && trustedProxies.length === 0;
  return isBare ? "http://{subdomain}.{domain}:{port}" : "https://{subdomain}.{domain}";
}

/** The public URL of the tunnel `subdomain`. */
export function publicUrl(template: string, subdomain: string, domain: string, port: number): string {
  return template
    .replaceAll("{subdomain}", subdomain)
    .replaceAll("{domain}", domain)
    .replaceAll("{port}", String(port));
}

/**
 * The relay's own URL, without a slash at its end, if `tunnelUrl` is the URL of its tunnel `myapp`. Of the
 * operator's template only scheme, host and port count.
 */
export function relayUrl(tunnelUrl: string): string {
  return new URL(tunnelUrl).origin.replace("//myapp.", "//");
}

/**
 * The template without a slash at its end.
 * @throws TunnelError `invalid_option`.
 */
export function checkTemplate(template: string): string {
  const sample = publicUrl(template, "name", "domain.test", 8080);
  const url = URL.canParse(sample) ? new URL(sample) : undefined;
  if (!template.includes("{subdomain}") || (url?.protocol !== "http:" && url?.protocol !== "https:")) {
    throw unusable(
      `the public URL '${template}' is not an http(s) URL with {subdomain} in it, such as https://{subdomain}.{domain}`,
      { options: ["publicUrl"] },
    );
  }
  const [unknown] = /\{[^{}]*\}/.exec(sample) ?? [];
  if (unknown !== undefined) {
    throw unusable(
      `the public URL '${template}' has ${unknown} in it, but only {subdomain}, {domain} and {port} are known`,
      { options: ["publicUrl"] },
    );
  }
  return withoutTrailing(template, "/");
}
