import { type BigIntStats, chmodSync, lstatSync, mkdirSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { TunnelError } from "mcp-tunnel-protocol";

/** The longest path of a unix socket on Linux; systems of BSD have 104 bytes. */
const maxPathBytes = 107;

/**
 * Makes the folder of a socket, for this user alone, if it is missing.
 * @throws TunnelError `invalid_option` for a path that is too long; `unavailable`.
 */
export function prepareFolder(path: string): void {
  if (Buffer.byteLength(path) > maxPathBytes) {
    throw new TunnelError(
      "invalid_option",
      `the path of the peer socket has over ${maxPathBytes} bytes, which the system does not take: ${path}`,
    );
  }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new TunnelError("unavailable", `cannot make the folder of ${path}: ${String(error)}`, {
      cause: error,
    });
  }
}

/**
 * Keeps other users from the socket. A connection in the moment before has no secret and so gets no further
 * than one over TCP.
 */
export function closeToOthers(path: string): void {
  chmodSync(path, 0o600);
}

/**
 * Removes the socket that a process has left which did not end by itself. True if it was one. A socket on
 * which somebody listens stays, and so does anything that is no socket.
 */
export async function removeStale(path: string): Promise<boolean> {
  const found = statOf(path);
  if (found === undefined) return true;
  if (!found.isSocket() || !(await isDeserted(path))) return false;
  // Another process may have come to the same conclusion, and listen on a socket of its own by now.
  const now = statOf(path);
  if (now?.ino !== found.ino || now.ctimeNs !== found.ctimeNs) return false;
  unlinkSync(path);
  return true;
}

function statOf(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

function isDeserted(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
}
