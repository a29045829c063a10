import { type Command, InvalidArgumentError, type Option } from "commander";
import { type TunnelError, unusable } from "mcp-tunnel-protocol";
import type { Mistakes } from "mcp-tunnel-shared/command";
import { collect } from "./values.js";

/** A value that the reader of an option has not taken. */
interface Kept {
  readonly option: Option;
  readonly text: string;
  /** What the reader expects. */
  readonly expected: string;
}

interface Keeping {
  readonly kept: Kept[];
  /** The options' own readers. */
  readonly readers: ReadonlyMap<Option, NonNullable<Option["parseArg"]>>;
}

const keepings = new WeakMap<Command, Keeping>();

/**
 * Keeps values of flags and variables that their readers do not take, until {@link takeMistakes}. By itself
 * commander ends at the first, and a person would be told of one after the other. An option with such a value
 * has its default.
 */
export function keepMistakes(command: Command): void {
  const kept: Kept[] = [];
  const readers = new Map<Option, NonNullable<Option["parseArg"]>>();
  for (const option of command.options) {
    const { parseArg: read } = option;
    if (read === undefined || read === collect) continue;
    readers.set(option, read);
    option.parseArg = <T>(text: string, previous: T): T => {
      try {
        return read(text, previous);
      } catch (error) {
        if (!(error instanceof InvalidArgumentError)) throw error;
        kept.push({ option, text, expected: error.message });
        return previous;
      }
    };
  }
  keepings.set(command, { kept, readers });
}

/** Tells what was kept of a command that was parsed, and gives its options their own readers again. */
export function takeMistakes(command: Command, mistakes: Mistakes<TunnelError>): void {
  const keeping = keepings.get(command);
  if (keeping === undefined) return;
  keepings.delete(command);
  for (const [option, read] of keeping.readers) option.parseArg = read;
  for (const one of keeping.kept) mistakes.add(mistakeOf(command, one));
}

/** Takes the mistakes in flags of a command over to another, which has the same options. */
export function moveMistakes(from: Command, to: Command): void {
  const { kept = [] } = keepings.get(from) ?? {};
  keepings.get(to)?.kept.push(...kept.splice(0).filter((one) => !isOfVariable(from, one)));
}

/** In the words of commander. */
function mistakeOf(command: Command, kept: Kept): TunnelError {
  const { option, text, expected } = kept;
  const given = isOfVariable(command, kept)
    ? `value '${text}' from env '${option.envVar}'`
    : `argument '${text}'`;
  return unusable(`option '${option.flags}' ${given} is invalid. ${expected}`, { options: [option.name()] });
}

function isOfVariable(command: Command, { option, text }: Kept): boolean {
  const isFlag = command.getOptionValueSource(option.attributeName()) === "cli";
  return !isFlag && option.envVar !== undefined && process.env[option.envVar] === text;
}
