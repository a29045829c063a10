import { unusable } from "mcp-tunnel-protocol";
import { withoutTrailing } from "mcp-tunnel-shared";

/**
 * Where the auth provider is asked, by its base URL. It is apart from the provider, whose HTTP library a
 * relay without a provider does not need.
 * @throws TunnelError `invalid_option`.
 */
export function verifyEndpoint(base: string): string {
  const url = URL.canParse(base) ? new URL(base) : undefined;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw unusable(`the auth provider's URL '${base}' is not an http:// or https:// URL`, {
      options: ["url"],
    });
  }
  if (url.search !== "" || url.hash !== "") {
    throw unusable(`the auth provider's URL '${base}' may have no query and no fragment`, {
      options: ["url"],
    });
  }
  return `${withoutTrailing(url.href, "/")}/api/verify`;
}
