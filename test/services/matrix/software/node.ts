import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { copyBelow, modulesOf } from "../../../support/node-modules.js";
import type { Service } from "../matrix.js";
import { startServer } from "../run.js";

/** The folder of the matrix's services that need packages of npm. */
const nodeFolder = fileURLToPath(new URL("../node", import.meta.url));

/** A service that runs in a folder of its own. */
export interface NodeService extends Service {
  readonly folder: string;
}

let modules: string | undefined;

/** Installs the packages that they need, at the first call. Returns whether that failed. */
export function missingNode(): boolean {
  modules ??= modulesOf(nodeFolder);
  return modules === undefined;
}

/** A copy of `folder`, one of the services' folders, in which their packages are found. */
export function copyOfNode(folder: string): ReturnType<typeof copyBelow> {
  return copyBelow(modules as string, join(nodeFolder, folder));
}

/**
 * Starts a script that listens, in a copy of `folder`, one of the services' folders. The script is a path in
 * it, or of one of the packages if it begins with `node_modules`.
 */
export async function startNode(
  folder: string,
  script: string,
  args: (port: number) => readonly string[],
): Promise<NodeService> {
  const copy = copyOfNode(folder);
  const path = script.startsWith("node_modules/") ? join(modules as string, script) : script;
  try {
    const service = await startServer(process.execPath, (port) => [path, ...args(port)], {
      cwd: copy.path,
      // No telemetry. And the program is not told that it is tested: some behave differently in tests.
      env: { NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: "development" },
    });
    return {
      port: service.port,
      folder: copy.path,
      async close() {
        await service.close();
        copy.close();
      },
    };
  } catch (error) {
    copy.close();
    throw error;
  }
}
