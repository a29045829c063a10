import { statSync } from "node:fs";
import { join } from "node:path";
import { unusable } from "mcp-tunnel-protocol";
import { configFolder } from "../credentials/config-folder.js";

const fileName = "mcp-tunnel-client.yaml";

/**
 * The config file: the one that was given, or that of the current folder, or the user's own. A file of the
 * current folder is trusted as a Makefile is, because it is read only when a person asks for its tunnels. But
 * it may start commands, and the current folder may be one to which others write, such as /tmp. So a file
 * that was only found has to belong to the user or to root, and others may not write to it.
 * @throws TunnelError `invalid_option` if there is none, or one that others could have written.
 */
export function findConfigFile(given: string | undefined): string {
  if (given === "") throw unusable("--config names no file", { options: ["config"] });
  if (given !== undefined) return given;
  const own = join(configFolder(), fileName);
  for (const path of [fileName, own]) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) continue;
    const why = distrust(found);
    if (why === undefined) return path;
    throw unusable(`${path} may start commands, and ${why}. If you trust it, name it: --config ${path}`, {
      options: ["config"],
      file: path,
    });
  }
  throw unusable(`there is no config file: neither ./${fileName} nor ${own}, and --config names none`, {
    options: ["config"],
  });
}

/** Why a file may be another user's work. Windows has neither owners nor modes of this kind. */
function distrust({ uid, mode }: { readonly uid: number; readonly mode: number }): string | undefined {
  const self = process.getuid?.();
  if (self === undefined) return undefined;
  if (uid !== self && uid !== 0) return "it belongs to another user";
  return (mode & 0o002) === 0 ? undefined : "every user may write to it";
}
