import { execFile } from "node:child_process";
import { TunnelError } from "mcp-tunnel-protocol";
import { printable } from "mcp-tunnel-shared";

/** How long a hook may run. It may wait until the record is everywhere, but not for ever. */
const hookTimeoutMs = 600_000;
/** How many characters of a failing hook's output go into the error. */
const saidChars = 1_000;

/**
 * Runs the hook without a shell, so that its arguments arrive as they are.
 * @throws TunnelError `unavailable` when the hook cannot be started or fails. The message has the hook's
 * output.
 */
export function runHook(
  hook: string,
  action: "set" | "clear",
  record: string,
  value: string,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { timeout: hookTimeoutMs, ...(signal === undefined ? {} : { signal }) };
    execFile(hook, [action, record, value], options, (error, stdout, stderr) => {
      if (error === null) {
        resolve();
        return;
      }
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "ENOENT" || code === "EACCES") {
        const message = `the ACME hook ${hook} cannot be started (${code}): is it there, and executable?`;
        reject(new TunnelError("unavailable", message, { cause: error, file: hook }));
        return;
      }
      const said = printable(`${stdout}${stderr}`.trim().slice(-saidChars));
      const how = error.killed === true ? "was stopped" : `ended with status ${error.code ?? "unknown"}`;
      reject(
        new TunnelError("unavailable", `the ACME hook '${hook} ${action} ${record}' ${how}: ${said}`, {
          cause: error,
        }),
      );
    });
  });
}
