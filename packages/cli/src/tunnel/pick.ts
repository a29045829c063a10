import { confirm, isCancel, select, text, updateSettings } from "@clack/prompts";
import { pickOnly } from "mcp-tunnel-client";
import { drawName } from "mcp-tunnel-gate/state";
import { isName, matchesPattern, maxNameLength } from "mcp-tunnel-protocol";
import { printable } from "mcp-tunnel-shared";

// Node's readline stops reading at Ctrl-D, but the prompt knows only Ctrl-C and Esc, and would never end.
updateSettings({ aliases: { "\u0004": "cancel" } });

/** What a person is asked about the name of a tunnel. */
interface PickContext {
  /** The name of the last time, which the person gets by Enter. */
  readonly kept?: string | undefined;
  /** Takes the question back. */
  readonly signal?: AbortSignal;
  /** The tunnel's name in the config file, where there are several. */
  readonly tunnel?: string | undefined;
}

/**
 * Lets a person at a terminal choose from the relay's offer. An offer that leaves no choice is no question. A
 * person who only presses Enter gets the name of the last time, or one that is drawn.
 */
export async function pickAtTerminal(
  patterns: readonly string[],
  { kept, signal, tunnel }: PickContext = {},
): Promise<string> {
  if (patterns.length === 0 || (patterns.length === 1 && !patterns[0]?.includes("*")))
    return pickOnly(patterns);
  const who = tunnel === undefined ? "the tunnel" : `the tunnel '${tunnel}'`;
  const asked = signal === undefined ? {} : { signal };
  const last = patterns.find((pattern) => kept !== undefined && matchesPattern(pattern, kept));
  const pattern =
    patterns.length === 1
      ? (patterns[0] as string)
      : await select({
          message: `Which name should ${who} have?`,
          ...asked,
          ...(last === undefined ? {} : { initialValue: last }),
          options: patterns.map((value) => ({
            value,
            label: printable(value),
            ...(value.includes("*") ? { hint: "choose what stands for *" } : {}),
          })),
        });
  if (isCancel(pattern)) throw new Error("cancelled");
  if (!pattern.includes("*")) return pattern;
  const proposal = kept !== undefined && pattern === last ? kept : drawName(pattern);
  const name = await text({
    message: `Name for ${who}, like ${printable(pattern)} (Enter for ${printable(proposal)})`,
    ...asked,
    placeholder: printable(proposal),
    defaultValue: proposal,
    validate: (value = "") => (value === "" ? undefined : nameFault(value, pattern)),
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

/** Asks a person at a terminal whether to take a name from the client that has it. */
export async function mayTakeOver(name: string, signal: AbortSignal): Promise<boolean> {
  const answer = await confirm({
    message: `Another client has the name ${printable(name)}. Take it? That client ends then.`,
    initialValue: false,
    signal,
  });
  return answer === true;
}
