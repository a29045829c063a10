import { elsewherePage, isBrowser } from "./browser-pages.js";

/** A request handler in the web's form. */
export type Handler = (request: Request) => Promise<Response>;

/** Where the only server answers. */
export const onlyPath = "/mcp";

/** Has `handler` answer for the only server, and nobody for any other path. */
export function atOnlyPath(handler: Handler): Handler {
  return async (request) =>
    new URL(request.url).pathname === onlyPath ? handler(request) : notFound(request, onlyPath);
}

/** Where a server of several answers: `/<name>/mcp`, with the name as one segment of a URL's path. */
export function mcpPath(name: string): string {
  // A shell would read these characters in a URL that a person pastes. encodeURIComponent leaves them.
  const segment = encodeURIComponent(name).replaceAll(/[!'()*]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  });
  return `/${segment}/mcp`;
}

/** The name of the server that the path of a URL leads to, however much of the name is escaped. */
export function nameAt(pathname: string): string | undefined {
  const segment = /^\/([^/]+)\/mcp$/.exec(pathname)?.[1];
  if (segment === undefined) return undefined;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

/**
 * The answer for every other path. Hosts show it to a person who has left the path out of the URL. It names
 * no server (`path` is `/<name>/mcp` of several), because strangers ask. It is not JSON-RPC: a host that
 * looks for OAuth metadata at `/.well-known/` reads from it that there is no authorization. A browser gets a
 * page.
 */
export function notFound(request: Request, path: typeof onlyPath | "/<name>/mcp"): Response {
  if (isBrowser(request)) return elsewherePage(request, path);
  const text = `Not found: the MCP server is at ${path}\n`;
  return new Response(text, { status: 404, headers: { "Content-Type": "text/plain" } });
}
