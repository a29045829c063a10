import { printableLines } from "mcp-tunnel-shared";

/** The command failed, though its options are right: exit status 1, not 2. */
export class CommandFailure extends Error {}

/**
 * Writes a line, or several, to the standard output, escaped because strangers may have written parts of it.
 */
export function writeLine(text: string): void {
  process.stdout.write(`${printableLines(text)}\n`);
}
