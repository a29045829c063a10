import { isCancel, select, text, updateSettings } from "@clack/prompts";
import { pickOnly } from "mcp-tunnel-client";
import { isName, matchesPattern, maxNameLength } from "mcp-tunnel-protocol";
import { printable } from "mcp-tunnel-shared";

// Node's readline stops reading at Ctrl-D, but the prompt knows only Ctrl-C and Esc, and would never end.
updateSettings({ aliases: { "\u0004": "cancel" } });

/** A question about the name of a tunnel. */
interface Question {
  /** Takes the question back. */
  readonly signal?: AbortSignal;
  /** The tunnel's name in the config file, where there are several. */
  readonly tunnel?: string | undefined;
}

/**
 * Lets a person at a terminal choose from the relay's offer. An offer that leaves no choice is no question.
 */
export async function pickAtTerminal(
  patterns: readonly string[],
  { signal, tunnel }: Question = {},
): Promise<string> {
  if (patterns.length === 0 || (patterns.length === 1 && !patterns[0]?.includes("*")))
    return pickOnly(patterns);
  const who = tunnel === undefined ? "the tunnel" : `the tunnel '${tunnel}'`;
  const pattern =
    patterns.length === 1
      ? (patterns[0] as string)
      : await select({
          message: `Which name should ${who} have?`,
          ...(signal === undefined ? {} : { signal }),
          options: patterns.map((value) => ({
            value,
            label: printable(value),
            ...(value.includes("*") ? { hint: "choose what stands for *" } : {}),
          })),
        });
  if (isCancel(pattern)) throw new Error("cancelled");
  if (!pattern.includes("*")) return pattern;
  const name = await text({
    message: `Name for ${who}, like ${printable(pattern)}`,
    ...(signal === undefined ? {} : { signal }),
    placeholder: printable(pattern.replace("*", "demo")),
    validate: (value) => nameFault(value ?? "", pattern),
  });
  if (isCancel(name)) throw new Error("cancelled");
  return name;
}

/** Why a name cannot be used for a pattern with one `*`; undefined when it can. */
export function nameFault(name: string, pattern: string): string | undefined {
  if (!matchesPattern(pattern, name)) return `The name has to be like ${printable(pattern)}`;
  // The relay takes the name in lower case.
  if (isName(name.toLowerCase())) return undefined;
  return `A name has 1 to ${maxNameLength} letters, digits and inner hyphens`;
}
