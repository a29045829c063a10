import { withoutTrailing } from "mcp-tunnel-shared";

/** Where an MCP server answers. */
export interface McpPlace {
  /** Its name in the config file; `undefined` for the only server. */
  readonly name: string | undefined;
  readonly path: string;
}

export interface McpAddress {
  readonly name: string | undefined;
  readonly url: string;
  /** What a person pastes into a shell to use the server in Claude Code. */
  readonly addCommand: string;
}

/** The public addresses of MCP servers behind a tunnel. */
export function addressesOf(
  { url, subdomain }: { url: string; subdomain: string },
  places: readonly McpPlace[],
): McpAddress[] {
  return places.map(({ name, path }) => {
    const address = withoutTrailing(url, "/") + path;
    const addCommand = `claude mcp add --transport http ${claudeName(name ?? subdomain)} ${shellWord(address)}`;
    return { name, url: address, addCommand };
  });
}

/** Claude Code takes letters, digits, hyphens and underscores. A hyphen at the start would be an option. */
function claudeName(name: string): string {
  return name.replaceAll(/[^\w-]+/g, "-").replace(/^-+/, "") || "server";
}

/** The relay gives the URL. A shell must not run what could be hidden in it. */
export function shellWord(text: string): string {
  return /^[\w./:%~-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
