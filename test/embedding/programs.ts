import { fileURLToPath } from "node:url";
import { RunningCommand, type RunOptions } from "../support/commands.js";

// Programs that documents show, for tests that run them as they are written.

/** The folder in which the packages that the programs import are found. */
const folder = fileURLToPath(new URL("..", import.meta.url));

/** The JavaScript of a document, or of the part of it below a headline, each block as it is written. */
export function programsIn(markdown: string, headline?: string): string[] {
  const begin = headline === undefined ? 0 : markdown.indexOf(`\n## ${headline}\n`);
  if (begin === -1) throw new Error(`the document has no part "${headline}"`);
  const end = markdown.indexOf("\n## ", begin + 1);
  const part = headline === undefined || end === -1 ? markdown.slice(begin) : markdown.slice(begin, end);
  return [...part.matchAll(/```js\n(.*?)```/gs)].map(([, code = ""]) => code);
}

/** The same program with another relay's URL. */
export function withRelay(program: string, relayUrl: string): string {
  return program.replaceAll("https://tunnel.example.com", relayUrl);
}

/** A program that has printed its public URL. */
export interface Program extends RunningCommand {
  readonly url: string;
  /** The name of its tunnel. */
  readonly tunnel: string;
}

/** Runs a program at the relay at this port of this machine, until it has printed its public URL. */
export function startProgram(code: string, relayPort: number, env: NodeJS.ProcessEnv = {}): Promise<Program> {
  const written = withRelay(code, `http://127.0.0.1:${relayPort}`);
  return startNode(["--input-type=module", "--eval", written], { cwd: folder, env });
}

/**
 * Runs Node until it has printed a public URL: the first line that is one, or ends in one behind `before`.
 * Ends it if it does not.
 */
export async function startNode(
  args: readonly string[],
  options: RunOptions,
  before = "",
  timeoutMs = 15_000,
): Promise<Program> {
  const program = new RunningCommand(process.execPath, args, options);
  try {
    const find = (line: string): string | undefined =>
      line.trimStart().startsWith(before) ? /(?:^|\s)(https?:\S+)$/.exec(line)?.[1] : undefined;
    const url = await program.waitFor(
      "the public URL",
      () => program.stdout.map(find).find(Boolean),
      timeoutMs,
    );
    return Object.assign(program, { url, tunnel: new URL(url).hostname.split(".")[0] as string });
  } catch (error) {
    await program.close();
    throw error;
  }
}
