/** The oldest Node that runs the commands: `engines` in their package.json. */
const [leastMajor, leastMinor] = [20, 19] as const;

/**
 * Ends the process with status 1 and one line unless it runs on a Node that the commands were written for.
 * Bun and Deno have Node's modules, but not all of their behaviour: on Bun the command once went round in a
 * loop that only SIGKILL ended.
 */
export function refuseOtherRuntimes(command: string): void {
  const fault = runtimeFault(command, process.versions);
  if (fault === undefined) return;
  process.stderr.write(`error: ${fault}\n`);
  process.exit(1);
}

/** Why `command` does not run here. Undefined if it does. */
export function runtimeFault(
  command: string,
  versions: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const needed = `${command} needs Node.js ${leastMajor}.${leastMinor} or newer`;
  const { bun, deno, node = "" } = versions;
  if (bun !== undefined) return `${needed}, and this is Bun ${bun}: start it with node or npx, not with bun`;
  if (deno !== undefined) {
    return `${needed}, and this is Deno ${deno}: start it with node or npx, not with deno`;
  }
  const [major = 0, minor = 0] = node.split(".").map(Number);
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return undefined;
  return `${needed}, and this is Node.js ${node}: https://nodejs.org has newer ones`;
}
