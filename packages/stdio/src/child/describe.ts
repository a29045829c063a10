import type { ResolvedStdioOptions } from "../options.js";

/** A command as the person has written it. It shows where each word ends, and is not made for a shell. */
export function commandText(command: string, args: readonly string[]): string {
  return [command, ...args].map((word) => (/^[^\s'"]+$/.test(word) ? word : JSON.stringify(word))).join(" ");
}

/** The same in quotes, for messages. */
export function commandLine({ command, args }: ResolvedStdioOptions): string {
  return `'${commandText(command, args)}'`;
}

/** What became of a process. */
export function exitInWords(status: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `has ended with status ${status}` : `was ended by ${signal}`;
}

const downloaders = /^(?:npx|uvx|bunx|pnpx|npm|pnpm|yarn|bun|uv|pipx|docker|podman)(?:\.cmd|\.exe)?$/;

/** Why a process may be silent after its start. */
export function silenceInWords(options: ResolvedStdioOptions, silentMs: number): string {
  const name = options.command.split(/[/\\]/).at(-1) ?? "";
  const guess = downloaders.test(name)
    ? `; ${name} may be downloading a package`
    : "; it is slow to start, or no MCP server on stdio";
  return `${commandLine(options)} has said nothing for ${silentMs / 1_000} s${guess}`;
}
