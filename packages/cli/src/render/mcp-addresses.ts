import { withoutTrailing } from "mcp-tunnel-shared";
import { commandLines, shellWord } from "./shell.js";

/** Where an MCP server answers. */
export interface McpPlace {
  /** Its name in the config file; `undefined` for the only server. */
  readonly name?: string | undefined;
  readonly path: string;
}

/** An MCP server that visitors have found behind the local service. */
export interface FoundMcp {
  readonly path: string;
  /** The visitor showed a proof in `Authorization`, which the next one may need, too. */
  readonly hasProof: boolean;
}

export interface McpAddress {
  readonly name: string | undefined;
  readonly url: string;
  /** What a person pastes into a shell to use the server in Claude Code: {@link addLines}. */
  readonly addCommand: { readonly start: string; readonly url: string };
}

/** The public addresses of MCP servers behind a tunnel. */
export function addressesOf(
  { url, subdomain }: { url: string; subdomain: string },
  places: readonly McpPlace[],
): McpAddress[] {
  return places.map(({ name, path }) => {
    const address = withoutTrailing(url, "/") + path;
    const start = `claude mcp add --transport http ${claudeName(name ?? subdomain)}`;
    return { name, url: address, addCommand: { start, url: shellWord(address) } };
  });
}

/** The lines of the command that adds a server to Claude Code, with an option if there is one. */
export function addLines({ addCommand: { start, url } }: McpAddress, option?: string): string[] {
  return commandLines(option === undefined ? [start, url] : [start, url, option]);
}

/** Claude Code takes letters, digits, hyphens and underscores. A hyphen at the start would be an option. */
function claudeName(name: string): string {
  return name.replaceAll(/[^\w-]+/g, "-").replace(/^-+/, "") || "server";
}
