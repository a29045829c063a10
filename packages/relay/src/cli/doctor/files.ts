import { accessSync, constants, statSync } from "node:fs";
import { type Examination, failed, type Finding, ok, optionKey, warning } from "mcp-tunnel-shared/command";
import type { Subject } from "./surroundings.js";

/** What is expected of a path. */
interface Expected {
  readonly id: string;
  readonly title: string;
  readonly path: string;
  readonly kind: "file" | "program" | "folder";
  /** Nobody but its user may read it. */
  readonly isSecret: boolean;
}

const permissions = {
  file: constants.R_OK,
  program: constants.R_OK | constants.X_OK,
  folder: constants.W_OK,
};
const verbs = { file: "read", program: "run", folder: "write" };

/** Every file that the options name: is it there, may this user use it, and may others not? */
export function fileExaminations(subject: Subject): Examination[] {
  return expectedFiles(subject).map((expected) => ({
    id: expected.id,
    title: expected.title,
    examine: () => look(expected, subject.surroundings.userId),
  }));
}

function expectedFiles({ command, options }: Subject): Expected[] {
  const files: Expected[] = [];
  const secrets = ["staticToken", "authSecret", "adminSecret", "cluster", "clusterPassword", "clusterSecret"];
  const hasSecrets = secrets.some((key) => command.getOptionValueSource(key) === "config");
  const add = (option: string, what: Pick<Expected, "title" | "kind" | "isSecret">): void => {
    const value = command.getOptionValue(optionKey(option)) as string | string[] | undefined;
    const paths = Array.isArray(value) ? value : value === undefined ? [] : [value];
    for (const [index, path] of paths.entries()) {
      const nth = paths.length === 1 ? "" : `-${index + 1}`;
      files.push({ ...what, id: `file-${option}${nth}`, path });
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

function look({ path, kind, isSecret }: Expected, userId: number | undefined): Finding {
  let mode: number;
  try {
    const status = statSync(path);
    if (kind === "folder" ? !status.isDirectory() : !status.isFile())
      return failed(`${path} is not a ${kind === "folder" ? "folder" : "regular file"}`);
    accessSync(path, permissions[kind]);
    ({ mode } = status);
  } catch (error) {
    return absent(path, kind, (error as NodeJS.ErrnoException).code ?? String(error));
  }
  // Windows has no such modes.
  if (isSecret && userId !== undefined && (mode & 0o007) !== 0) {
    return warning(
      `${path} is secret, but every user of this machine may use it (mode ${(mode & 0o777).toString(8)})`,
      `Take it away from the others: chmod o-rwx ${path}`,
    );
  }
  const asRoot =
    userId === 0 ? "; but this is root, whom no mode stops, and the relay may run as another" : "";
  return ok(`${path} is there, and this user may ${verbs[kind]} it${asRoot}`);
}

function absent(path: string, kind: Expected["kind"], code: string): Finding {
  if (code === "ENOENT" && kind === "folder") return ok(`${path} is not there yet: the relay makes it`);
  if (code === "ENOENT")
    return failed(`${path} is not there`, "Correct the path: it counts from the relay's working directory.");
  if (code !== "EACCES" && code !== "EPERM") return failed(`${path}: ${code}`);
  const doing = kind === "program" ? "run" : kind === "folder" ? "write to" : "read";
  return failed(
    `this user may not ${doing} ${path} (${code})`,
    "Give the relay's user the permission, on the folders above it too, or run the doctor as that user.",
  );
}
