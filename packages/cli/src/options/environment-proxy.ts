import { getProxyForUrl } from "proxy-from-env";
import { unusable } from "mcp-tunnel-protocol";
import { withoutPassword } from "mcp-tunnel-client/options";
import { isLoopback } from "mcp-tunnel-shared";

/**
 * The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name for a relay at `registerUrl`;
 * `undefined` for none. A relay on this machine is reached without a proxy, as Go programs do.
 * @throws TunnelError `invalid_option` for a proxy that does not speak HTTP.
 */
export function environmentProxy(registerUrl: string): string | undefined {
  // A WebSocket begins as an HTTP request, and takes the same way.
  const url = new URL(registerUrl.replace(/^ws/, "http"));
  if (isLoopback(url.hostname)) return undefined;
  const proxy = getProxyForUrl(url.href);
  if (proxy === "" || isBelowExempt(url.hostname)) return undefined;
  // For curl and all others, a proxy without a scheme speaks plain HTTP. The library gives it the scheme of
  // the URL.
  const bare = /^https:\/\/(.*)/.exec(proxy)?.[1];
  if (bare !== undefined && bare === (variable("https_proxy") || variable("all_proxy")))
    return `http://${bare}`;
  if (/^https?:/i.test(proxy)) return proxy;
  throw unusable(
    `the environment names the proxy '${withoutPassword(proxy)}' for ${url.host}, and it is not an HTTP proxy: ` +
      `give another by --proxy, or set NO_PROXY=${url.hostname} to go without`,
  );
}

/**
 * For curl, a name in NO_PROXY stands for the names below it, too. The library wants a dot before it for
 * that.
 */
function isBelowExempt(hostname: string): boolean {
  const exempt = variable("no_proxy").split(/[\s,]+/);
  return exempt.some((name) => /^\w/.test(name) && hostname.endsWith(`.${name.toLowerCase()}`));
}

function variable(name: string): string {
  return process.env[name] || process.env[name.toUpperCase()] || "";
}
