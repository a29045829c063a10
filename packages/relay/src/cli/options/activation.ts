import { unusable } from "mcp-tunnel-protocol";

/** The first of the open files that a service manager hands over, after stdin, stdout and stderr. */
const firstFd = 3;
/**
 * The name of the socket of `--http-redirect` (`FileDescriptorName=`). The other socket may have any name.
 */
const redirectName = "http-redirect";

/** Listening sockets that were opened for this process, as numbers of open files. */
export interface InheritedSockets {
  visitors?: number;
  redirect?: number;
}

/**
 * The listening sockets that a service manager has opened for this process (sd_listen_fds(3)). They outlive
 * the process, so that a restart refuses nobody. Programs that this process starts do not inherit the
 * variables.
 * @throws TunnelError `invalid_option` when there are more sockets than the relay has a use for.
 */
export function inheritedSockets(env: NodeJS.ProcessEnv = process.env): InheritedSockets {
  const { LISTEN_FDS: count, LISTEN_PID: pid, LISTEN_FDNAMES: names = "" } = env;
  for (const name of ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]) delete env[name];
  const sockets: InheritedSockets = {};
  // The sockets are meant for another process, which passed its environment on.
  if (count === undefined || Number(pid) !== process.pid) return sockets;
  for (let i = 0; i < Number(count); i++) {
    const use = names.split(":")[i] === redirectName ? "redirect" : "visitors";
    if (sockets[use] !== undefined) {
      throw unusable(
        `LISTEN_FDS is ${count}, LISTEN_FDNAMES '${names}': the relay takes one socket, and one called ${redirectName}`,
      );
    }
    sockets[use] = firstFd + i;
  }
  return sockets;
}
