import { getProxyForUrl } from "proxy-from-env";
import { unusable } from "mcp-tunnel-protocol";
import { withoutPassword } from "mcp-tunnel-client/options";
import { isLoopback } from "mcp-tunnel-shared";

/**
 * The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name for a relay at `registerUrl`; `undefined` for none. This
 * machine is reached without one, as Go's programs do.
 * @throws TunnelError `invalid_option` for one that does not speak HTTP.
 */
export function environmentProxy(registerUrl: string): string | undefined {
  // A WebSocket is opened by an HTTP request, and goes the way of one.
  const url = new URL(registerUrl.replace(/^ws/, "http"));
  if (isLoopback(url.hostname)) return undefined;
  const proxy = getProxyForUrl(url.href);
  if (proxy === "" || isBelowExempt(url.hostname)) return undefined;
  // Without a scheme it speaks plain HTTP, for curl and everybody else; the library takes the scheme of the URL.
  const bare = /^https:\/\/(.*)/.exec(proxy)?.[1];
  if (bare !== undefined && bare === (variable("https_proxy") || variable("all_proxy")))
    return `http://${bare}`;
  if (/^https?:/i.test(proxy)) return proxy;
  throw unusable(
    `the environment names the proxy '${withoutPassword(proxy)}' for ${url.host}, and it is not an HTTP proxy: ` +
      `give another by --proxy, or set NO_PROXY=${url.hostname} to go without`,
  );
}

/** A name in NO_PROXY stands for those below it too, for curl; the library wants a dot before it. */
function isBelowExempt(hostname: string): boolean {
  const exempt = variable("no_proxy").split(/[\s,]+/);
  return exempt.some((name) => /^\w/.test(name) && hostname.endsWith(`.${name.toLowerCase()}`));
}

function variable(name: string): string {
  return process.env[name] || process.env[name.toUpperCase()] || "";
}
