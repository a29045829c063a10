import * as net from "node:net";

/**
 * A bound TCP address that may be handed to several processes, as a service manager does (sd_listen_fds(3)).
 */
export interface SharedSocket {
  /** The descriptor in this process. */
  readonly fd: number;
  readonly port: number;
  close(): void;
}

interface TcpHandle {
  fd: number;
  getsockname(into: { port?: number }): number;
  close(): void;
}

/**
 * Binds a free port of loopback without listening, so that this process accepts no connection. Node has no
 * public way to do that. Its cluster module uses this function.
 */
export function shareSocket(): SharedSocket {
  const { _createServerHandle: create } = net as unknown as {
    _createServerHandle(address: string, port: number, addressType: 4): TcpHandle | number;
  };
  const handle = create("127.0.0.1", 0, 4);
  if (typeof handle === "number") throw new Error(`no socket: ${handle}`);
  const address: { port?: number } = {};
  handle.getsockname(address);
  return { fd: handle.fd, port: address.port as number, close: () => handle.close() };
}
