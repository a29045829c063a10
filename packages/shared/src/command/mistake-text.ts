import { oneLine } from "../text.js";

/**
 * A mistake on the command line, as commander words it, in one line: commander puts its suggestions on a
 * second one. `command`: the command whose help says what is right, such as `mcp-tunnel token create`.
 */
export function mistakeLine(text: string, command: string): string {
  return `${oneLine(text)} (see ${command} --help)`;
}

/** What follows the name of a thing that is not there. `near`: the one that was probably meant. */
export function suggestion(near: string | undefined): string {
  return near === undefined ? "" : ` (Did you mean ${near}?)`;
}
