import { readFileSync } from "node:fs";
import { findNodeAtLocation, getNodeValue, parseTree, printParseErrorCode } from "jsonc-parser";
import type { Node, ParseError } from "jsonc-parser";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";

/** A server as the file has it, not checked yet. */
export interface NamedValue {
  readonly name: string;
  readonly value: unknown;
}

/** The members that hold servers: of Claude Desktop, Claude Code, Cursor and others, and of VS Code. */
const containers = ["mcpServers", "servers"];

/**
 * The servers in a config file, in its order. VS Code's files may have comments and trailing commas.
 * @throws TunnelError `unavailable` for a file that cannot be read; `invalid_option` for one that has no
 * servers.
 */
export function readServers(file: string): NamedValue[] {
  const tree = parse(readText(file), file);
  const container = containers.find((name) => findNodeAtLocation(tree, [name]) !== undefined);
  const servers = container === undefined ? undefined : findNodeAtLocation(tree, [container]);
  if (container === undefined || servers === undefined) {
    throw unusable(`${file} has no MCP servers: it has neither 'mcpServers' nor 'servers' at its top`, {
      file,
    });
  }
  if (servers.type !== "object") {
    throw unusable(`${file}: ${container} must be an object, with a member for each server`, { file });
  }
  const named = (servers.children ?? []).map((property) => {
    const [key, value] = property.children as [Node, Node];
    return { name: key.value as string, value: getNodeValue(value) as unknown };
  });
  for (const [index, { name }] of named.entries()) checkName(name, named.slice(0, index), file);
  return named;
}

/** A name becomes a segment of a path, where each has to lead to one server. */
function checkName(name: string, before: readonly NamedValue[], file: string): void {
  const fault = nameFault(name, before);
  if (fault !== undefined) throw unusable(`${file}: the server '${name}' ${fault}`, { file });
}

function nameFault(name: string, before: readonly NamedValue[]): string | undefined {
  if (name === "") return "has an empty name: give it one, which becomes a part of its URL";
  // These two are no segments of a path, but steps in it (RFC 3986 section 3.3).
  if (name === "." || name === "..") return "has a name that cannot be a part of a URL: give it another";
  if (/\p{Surrogate}/u.test(name)) return "has a name that is not Unicode text: give it another";
  if (before.some((other) => other.name === name)) return "is there twice: give one of the two another name";
  return undefined;
}

function readText(file: string): string {
  try {
    // Editors on Windows write a byte order mark.
    return readFileSync(file, "utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    throw new TunnelError("unavailable", `cannot read the MCP servers in ${file}: ${messageOf(error)}`, {
      cause: error,
      file,
    });
  }
}

function parse(text: string, file: string): Node {
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first !== undefined || tree === undefined) {
    // `CommaExpected`, say.
    const what = first === undefined ? "" : printParseErrorCode(first.error).replaceAll(/\B[A-Z]/g, " $&");
    const { line, column } = placeOf(text, first?.offset ?? 0);
    const message = `${file} is not JSON: ${what.toLowerCase()} at line ${line}, column ${column}`;
    throw unusable(message, { file });
  }
  return tree;
}

function placeOf(text: string, offset: number): { line: number; column: number } {
  const lines = text.slice(0, offset).split("\n");
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}
