import { homedir } from "node:os";
import { basename, sep } from "node:path";

/** What stands for `${...}` in a config file. */
export interface Places {
  /** The folder of the project that the file belongs to. */
  readonly project: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A `${...}` that stands for nothing. `message`: what it is and what to do, to follow "uses". */
export class UnknownPlaceholder extends Error {}

/** `${X}` and `${X:-default}` of Claude Code, and `${env:X}` of VS Code and Cursor. */
const variable = /^(?:env:)?([A-Za-z_]\w*)(?::-(.*))?$/s;

/**
 * The text with every `${...}` replaced: variables of the environment, and the names that VS Code and Cursor
 * have for folders. What is put in is not read again, and what can be none of these stays.
 * @throws UnknownPlaceholder
 */
export function expand(text: string, places: Places): string {
  return text.replaceAll(/\$\{([^{}]*)\}/g, (placeholder, inner: string) => {
    return folder(inner, places) ?? variableValue(placeholder, inner, places);
  });
}

function folder(name: string, { project }: Places): string | undefined {
  switch (name) {
    case "workspaceFolder":
      return project;
    case "workspaceFolderBasename":
      return basename(project);
    case "userHome":
      return homedir();
    case "pathSeparator":
    case "/":
      return sep;
    default:
      return undefined;
  }
}

function variableValue(placeholder: string, inner: string, { env }: Places): string {
  if (inner.startsWith("input:")) {
    const what = `${placeholder}, and VS Code would ask for the input '${inner.slice("input:".length)}'`;
    throw new UnknownPlaceholder(`${what}: put the value into the environment, and write \${env:NAME}`);
  }
  const [, name, byDefault] = variable.exec(inner) ?? [];
  if (name === undefined) {
    // JavaScript in an argument, say. No host puts anything in for it.
    if (!/^\w+:/.test(inner)) return placeholder;
    throw new UnknownPlaceholder(
      `${placeholder}, which is not known here: use \${env:NAME}, \${workspaceFolder} or \${userHome}`,
    );
  }
  const value = env[name];
  // As in a shell, an empty variable gets the default as well.
  const found = value === "" || value === undefined ? (byDefault ?? value) : value;
  if (found !== undefined) return found;
  throw new UnknownPlaceholder(
    `${placeholder}, and the environment has no variable ${name}: set it, or write \${${name}:-default}`,
  );
}
