import { execFile } from "node:child_process";
import { TunnelError } from "mcp-tunnel-protocol";
import { printable } from "mcp-tunnel-shared";

/** A hook may wait until the record is everywhere, but not for ever. */
const hookTimeoutMs = 600_000;
/** How much of what a failing hook said goes into the error. */
const saidChars = 1_000;

/**
 * Runs the hook. No shell is between: the arguments are what they are.
 * @throws TunnelError `unreachable` when it fails, with what it said; `invalid_option` when it cannot be started.
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
        reject(new TunnelError("invalid_option", message, { cause: error }));
        return;
      }
      const said = printable(`${stdout}${stderr}`.trim().slice(-saidChars));
      const how = error.killed === true ? "was stopped" : `ended with status ${error.code ?? "unknown"}`;
      reject(
        new TunnelError("unreachable", `the ACME hook '${hook} ${action} ${record}' ${how}: ${said}`, {
          cause: error,
        }),
      );
    });
  });
}
