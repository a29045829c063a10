import { accessSync, constants, realpathSync, type Stats, statSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Command } from "commander";
import { failed, type Finding, ok, optionKey, warning } from "mcp-tunnel-shared/command";
import type { CliOptions } from "../options/options.js";

/** What is expected of a path that an option names. */
export interface ExpectedFile {
  /** The option's long name. */
  readonly option: string;
  /** The name for programs: `file-tls-cert`, or `file-tls-cert-2` for the second of several. */
  readonly id: string;
  /** What it is, in a few words. */
  readonly title: string;
  readonly path: string;
  readonly kind: "file" | "program" | "folder";
  /** Nobody but its user may read it. */
  readonly isSecret: boolean;
  /** It is read once, so a pipe will do. */
  readonly mayBePipe: boolean;
}

const permissions = {
  file: constants.R_OK,
  program: constants.R_OK | constants.X_OK,
  folder: constants.W_OK,
};
/** Files that are read again when they change. */
const readAgain = ["token-file", "tls-cert", "tls-key"];
const verbs = { file: "read", program: "run", folder: "write" };

/** Every file that the options of a command name. The options have been read before. */
export function expectedFiles(command: Command): ExpectedFile[] {
  const options = command.opts<CliOptions>();
  const files: ExpectedFile[] = [];
  const secrets = ["staticToken", "authSecret", "adminSecret", "cluster", "clusterPassword", "clusterSecret"];
  const hasSecrets = secrets.some((key) => command.getOptionValueSource(key) === "config");
  const add = (option: string, what: Pick<ExpectedFile, "title" | "kind" | "isSecret">): void => {
    const value = command.getOptionValue(optionKey(option)) as string | string[] | undefined;
    const paths = Array.isArray(value) ? value : value === undefined ? [] : [value];
    for (const [index, path] of paths.entries()) {
      const nth = paths.length === 1 ? "" : `-${index + 1}`;
      const mayBePipe = what.kind === "file" && !readAgain.includes(option);
      files.push({ ...what, option, id: `file-${option}${nth}`, path, mayBePipe });
    }
  };
  add("config", { title: "config file", kind: "file", isSecret: hasSecrets });
  add("token-file", { title: "token file", kind: "file", isSecret: true });
  add("auth-secret-file", { title: "secret of the auth provider", kind: "file", isSecret: true });
  add("admin-secret-file", { title: "secret of the admin API", kind: "file", isSecret: true });
  add("cluster-secret-file", { title: "secret of the cluster", kind: "file", isSecret: true });
  add("cluster-password-file", { title: "password at Redis", kind: "file", isSecret: true });
  add("cluster-ca", { title: "certificates for Redis", kind: "file", isSecret: false });
  add("peer-tls-cert", { title: "certificate for relays", kind: "file", isSecret: false });
  add("peer-tls-key", { title: "key for relays", kind: "file", isSecret: true });
  add("peer-tls-ca", { title: "certificates of relays", kind: "file", isSecret: false });
  add("tls-cert", { title: "certificate file", kind: "file", isSecret: false });
  add("tls-key", { title: "key file", kind: "file", isSecret: true });
  add("acme-hook", { title: "ACME hook", kind: "program", isSecret: false });
  if (options.acmeHook !== undefined && options.cluster === undefined)
    add("acme-storage", { title: "ACME storage", kind: "folder", isSecret: false });
  return files;
}

/** Whether every folder above a path lets all users in. One that does not protects what is below it. */
function lettingAllIn(path: string): boolean {
  let folder = dirname(realpathSync(path));
  for (;;) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
    const above = dirname(folder);
    if (above === folder) return true;
    folder = above;
  }
}

/** Whether a file is there, this user may use it, and others may not. `userId`: undefined on Windows. */
export function fileFinding(
  { option, path: given, kind, isSecret, mayBePipe }: ExpectedFile,
  userId: number | undefined,
): Finding {
  const path = kind === "program" ? onPath(given) : given;
  let mode: number;
  try {
    const status = statSync(path);
    if (mayBePipe && isPipe(status)) return ok(`${path} is a pipe, which is read once`);
    if (kind === "folder" ? !status.isDirectory() : !status.isFile())
      return failed(`${path} is not a ${kind === "folder" ? "folder" : "regular file"}`);
    accessSync(path, permissions[kind]);
    ({ mode } = status);
  } catch (error) {
    return absent(option, path, kind, (error as NodeJS.ErrnoException).code ?? String(error));
  }
  // Windows has no such modes.
  if (isSecret && userId !== undefined && (mode & 0o007) !== 0 && lettingAllIn(path)) {
    return warning(
      `${path} is secret, but every user of this machine may use it (mode ${(mode & 0o777).toString(8)})`,
      `Take it away from the others: chmod o-rwx ${path}`,
    );
  }
  const asRoot =
    userId === 0 ? "; but this is root, whom no mode stops, and the relay may run as another" : "";
  return ok(`${path} is there, and this user may ${verbs[kind]} it${asRoot}`);
}

/** Whether nothing is left of it once it was read, as of `<(command)` in a shell. */
export function isReadOnce({ path, mayBePipe }: ExpectedFile): boolean {
  const status = mayBePipe ? statSync(path, { throwIfNoEntry: false }) : undefined;
  return status !== undefined && isPipe(status);
}

function isPipe(status: Stats): boolean {
  return status.isFIFO() || status.isCharacterDevice() || status.isSocket();
}

function absent(option: string, path: string, kind: ExpectedFile["kind"], code: string): Finding {
  if (code === "ENOENT" && kind === "folder") return ok(`${path} is not there yet: the relay makes it`);
  if (code === "ENOENT") {
    const correct = "Correct the path: it counts from the relay's working directory.";
    const create = "Or create its first token: mcp-tunnel token create";
    return failed(`${path} is not there`, option === "token-file" ? `${correct} ${create}` : correct);
  }
  if (code !== "EACCES" && code !== "EPERM") return failed(`${path}: ${code}`);
  if (kind === "program" && !isRunnable(path)) {
    return failed(
      `this user may not run ${path} (${code})`,
      `Make it executable: chmod +x ${path}. The folders above it have to let the relay's user in, too.`,
    );
  }
  const doing = kind === "program" ? "run" : kind === "folder" ? "write to" : "read";
  return failed(
    `this user may not ${doing} ${path} (${code})`,
    "Give the relay's user the permission, on the folders above it too, or run this as that user.",
  );
}

/** A program that is named without a folder is looked for as the system does that starts it (execvp(3)). */
function onPath(program: string): string {
  if (/[\\/]/.test(program)) return program;
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, program)).find(isRunnable) ?? program;
}

function isRunnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
