import { fileURLToPath } from "node:url";
import type { RunOptions } from "../../../support/commands.js";
import { pythonWith } from "../../../support/python.js";
import type { Service } from "../matrix.js";
import { startServer } from "../run.js";

/** The folder of the matrix's Python services. */
export const pythonFolder = fileURLToPath(new URL("../python", import.meta.url));

let interpreter: string | undefined;

/**
 * Makes the interpreter with the packages that they import, at the first call. Returns whether that failed.
 */
export function missingPython(): boolean {
  interpreter ??= pythonWith(`${pythonFolder}/requirements.txt`);
  return interpreter === undefined;
}

/** Starts a Python module that listens, as `python -m` does, in the folder of the services. */
export function startPython(
  module: string,
  args: (port: number) => readonly string[],
  options: RunOptions = {},
): Promise<Service> {
  // `-B`: Python leaves no files in the tree.
  return startServer(interpreter as string, (port) => ["-B", "-m", module, ...args(port)], {
    cwd: pythonFolder,
    ...options,
  });
}
