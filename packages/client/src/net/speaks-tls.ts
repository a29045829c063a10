import { isIP } from "node:net";
import type { TcpNetConnectOpts } from "node:net";
import { connect } from "node:tls";
import type { ConnectionOptions } from "node:tls";
import { lookup } from "./lookup.js";
import { isCertificateFault } from "./tls-errors.js";

/**
 * Whether a port speaks TLS. Nothing is sent but the handshake. A certificate that is not valid is TLS, too.
 * False after `timeoutMs`, and after `signal`.
 */
export function speaksTls(
  hostname: string,
  port: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const host = hostname.replace(/^\[|\]$/g, "");
  const options: ConnectionOptions & TcpNetConnectOpts = { host, port, lookup, autoSelectFamily: true };
  // An address is no name that a handshake may ask for.
  if (isIP(host) === 0) options.servername = host;
  return new Promise((resolve) => {
    const socket = connect(options);
    const end = (result: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      resolve(result);
    };
    const onAbort = (): void => end(false);
    const timer = setTimeout(onAbort, timeoutMs);
    signal.addEventListener("abort", onAbort, { once: true });
    socket.on("secureConnect", () => end(true));
    socket.on("error", (error) => end(isCertificateFault(error)));
    socket.on("close", onAbort);
    if (signal.aborted) onAbort();
  });
}
