import { nearestName } from "mcp-tunnel-protocol";
import { mistakeLine, suggestion } from "mcp-tunnel-shared/command";

/**
 * What is wrong with a command line whose first word is neither a command, nor a local service, nor an
 * option, and what was probably meant. `undefined` where nobody can tell. `commands`: the names that there
 * are.
 */
export function unknownWord(args: readonly string[], commands: readonly string[]): string | undefined {
  const [word = "", next = ""] = args;
  const near = nearestName(word.toLowerCase(), commands);
  if (near !== undefined) {
    return mistakeLine(`unknown command '${word}'${suggestion(near)}`, "mcp-tunnel-client");
  }
  if (!/^\d+$/.test(next)) return undefined;
  const name = word === "localhost" ? "" : `; a name is asked for by --subdomain ${word}`;
  return `'${word} ${next}': a host and its port are one word, as in mcp-tunnel-client ${word}:${next}${name}`;
}
