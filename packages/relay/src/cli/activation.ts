import { TunnelError } from "mcp-tunnel-protocol";

/** Where the files begin that a service manager hands over: after stdin, stdout and stderr. */
const firstFd = 3;

/**
 * The listening socket that a service manager has opened for this process (sd_listen_fds(3)), if there is one. It outlives the
 * process, so that a restart refuses nobody. What this process starts itself does not inherit the offer.
 * @throws TunnelError `invalid_option` when there are several: nothing says which is which.
 */
export function inheritedSocket(env: NodeJS.ProcessEnv = process.env): number | undefined {
  const { LISTEN_FDS: count, LISTEN_PID: pid } = env;
  for (const name of ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]) delete env[name];
  // Meant for another process, which passed its environment on.
  if (count === undefined || Number(pid) !== process.pid) return undefined;
  if (count === "1") return firstFd;
  throw new TunnelError(
    "invalid_option",
    `LISTEN_FDS is ${count}: the relay takes one socket (one ListenStream= in its socket unit)`,
  );
}
