import { printableLines } from "mcp-tunnel-shared";

/** The command could not do what it was asked for, though it was asked rightly: exit status 1, not 2. */
export class CommandFailure extends Error {}

/** A line, or several, on the standard output: some of it may be what strangers say. */
export function writeLine(text: string): void {
  process.stdout.write(`${printableLines(text)}\n`);
}
