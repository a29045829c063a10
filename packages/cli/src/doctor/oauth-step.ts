import type { ServiceOptions } from "mcp-tunnel-client";
import { isObject } from "mcp-tunnel-shared";
import { failed, ok, skipped, warning } from "mcp-tunnel-shared/command";
import type { Finding } from "mcp-tunnel-shared/command";
import { askService } from "./ask-service.js";
import type { Case } from "./case.js";
import type { Answer } from "./question.js";
import { findRemedy } from "./service-rules.js";

/** Where a resource has its metadata (RFC 9728 section 3.1). */
const wellKnown = "/.well-known/oauth-protected-resource";

/** Longer texts of the service's are cut, in characters. */
const maxShown = 200;

/** Whether the OAuth metadata of the service, as visitors get them, name the public URL. */
export async function oauthFinding(it: Case, local: ServiceOptions, signal: AbortSignal): Promise<Finding> {
  const { mcpPath } = it.settings;
  const found = await findMetadata(it, signal);
  const greeting = it.looks.get(mcpPath)?.greeting;
  if (found === undefined) {
    if (greeting?.server !== undefined || greeting?.isLoginNeeded !== true) {
      return skipped("the service has none, and needs none");
    }
    return warning(
      `the service wants visitors to sign in, and has no metadata at ${wellKnown}`,
      "MCP hosts do not find out where to sign in. Leave the login to the tunnel (--visitor-auth oauth), or " +
        "mend the service.",
    );
  }
  if (it.publicUrl === undefined) return skipped("the public URL is not known, which they have to name");
  const publicMcp = new URL(mcpPath, it.publicUrl);
  const isGood = (answer: Answer): boolean => isResourceOf(resourceOf(answer), publicMcp);
  if (isGood(found.answer)) return ok(`resource is ${resourceOf(found.answer)?.slice(0, maxShown)}`);
  const remedy = await findRemedy(
    it,
    local,
    [
      { flags: "--oauth-metadata rewrite", options: { oauthMetadata: "rewrite" } },
      {
        flags: "--host-header preserve",
        options: { hostHeader: "preserve", forwardedHeaders: "all", origin: "keep", dropOrigin: false },
      },
    ],
    { method: "GET", path: found.path },
    isGood,
    signal,
  );
  return failed(
    `resource is '${resourceOf(found.answer)?.slice(0, maxShown)}', and visitors come to ${publicMcp.href}: hosts refuse to sign in`,
    remedy === undefined
      ? `Set the service's public URL to ${publicMcp.origin}.`
      : `Use ${remedy.flags}, or set the service's public URL to ${publicMcp.origin}.`,
  );
}

async function findMetadata(
  it: Case,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly answer: Answer } | undefined> {
  if (it.service === undefined) return undefined;
  const ask = askService(it.service, it.assumedUrl);
  const { mcpPath } = it.settings;
  const paths = mcpPath === "/" ? [wellKnown] : [wellKnown + mcpPath, wellKnown];
  for (const path of paths) {
    const answer = await ask({ method: "GET", path, headers: { accept: "application/json" } }, signal);
    if (resourceOf(answer) !== undefined) return { path, answer };
  }
  return undefined;
}

function resourceOf({ status, body }: Answer): string | undefined {
  if (status !== 200) return undefined;
  try {
    const metadata: unknown = JSON.parse(body.toString());
    const resource = isObject(metadata) ? metadata["resource"] : undefined;
    return typeof resource === "string" ? resource : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether hosts take `resource` for that of an MCP server at `url`. RFC 9728 section 3.3 wants them equal.
 * MCP's SDKs also take a resource above the server.
 */
function isResourceOf(resource: string | undefined, url: URL): boolean {
  if (resource === undefined || !URL.canParse(resource)) return false;
  const { origin, pathname } = new URL(resource);
  const whole = (path: string): string => (path.endsWith("/") ? path : `${path}/`);
  return origin === url.origin && whole(url.pathname).startsWith(whole(pathname));
}
