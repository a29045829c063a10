import { unusable } from "mcp-tunnel-protocol";
import { withoutTrailing } from "mcp-tunnel-shared";

/** The template of a tunnel's public URL, unless the operator gives another. */
export const defaultPublicUrl = "https://{subdomain}.{domain}";

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
