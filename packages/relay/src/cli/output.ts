/** The command could not do what it was asked for, though it was asked rightly: exit status 1, not 2. */
export class CommandFailure extends Error {}

/** A line on the standard output. */
export function writeLine(text: string): void {
  process.stdout.write(`${text}\n`);
}
