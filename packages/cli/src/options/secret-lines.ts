import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { optionKey, readSecret, sourceName } from "mcp-tunnel-shared/command";
import type { OptionValues } from "mcp-tunnel-shared/command";

/** One of several secrets that an option or its file holds. */
export interface SecretLine {
  readonly text: string;
  /** For messages, since the text is a secret: `line 2 of --visitor-key-file keys.txt`. */
  readonly place: string;
}

/**
 * Values that may hold secrets are gathered as the lines that a file would have. They are read later:
 * commander repeats a value that its reader does not take.
 */
export function addLine(line: string, others: string | undefined): string {
  return others === undefined ? line : `${others}\n${line}`;
}

/**
 * The lines of `--NAME`, given several times, or of `--NAME-file`. Empty lines, and those that begin with #,
 * are left out.
 * @throws TunnelError `invalid_option` if an option is there and holds nothing, or `unavailable` for a file
 * that cannot be read.
 */
export function readSecretLines(values: OptionValues, name: string): SecretLine[] {
  const all = readSecret(values, name, TunnelError);
  if (all === undefined) return [];
  const isOfOption = values.getOptionValue(optionKey(name)) === all;
  const file = `${name}-file`;
  const placeOf = (number: number): string =>
    isOfOption
      ? `${sourceName(values, name)}, number ${number}`
      : `line ${number} of ${sourceName(values, file)} ${String(values.getOptionValue(optionKey(file)))}`;
  const lines = all
    .split(/\r?\n/)
    .map((text, i) => ({ text, place: placeOf(i + 1) }))
    .filter(({ text }) => text.trim() !== "" && !text.startsWith("#"));
  if (lines.length > 0) return lines;
  throw unusable(`--${name} or its file holds nothing`, { options: [name, file] });
}
