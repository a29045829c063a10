import * as net from "node:net";
import { connect as connectTls } from "node:tls";
import { buildConnector } from "undici";
import { ServiceLookup } from "../../net/lookup.js";
import type { ForwardingOptions } from "./policies.js";

/** How connections to a service are made. */
export interface Connections {
  /** For undici. */
  readonly connector: buildConnector.connector;
  /**
   * Makes a connection that may be half closed: an upgraded protocol may need one direction longer.
   * `onConnected` is called once the connection stands.
   */
  connect(onConnected: () => void): net.Socket;
}

/** Connections to a port, with TLS if the target says so. */
export function tcpConnections({ target, tls, connectTimeoutMs }: ForwardingOptions): Connections {
  const lookup = new ServiceLookup();
  // The certificate has to be for the target's name. undici would take the name from Host, which may be
  // another one. An address is not a name (RFC 6066 section 3).
  const servername = tls.servername ?? (net.isIP(target.hostname) === 0 ? target.hostname : "");
  const options = lookup.connectOptions(target.hostname, connectTimeoutMs);
  const connector = buildConnector({ ...tls, timeout: connectTimeoutMs, ...options });
  return {
    connector: (connectOptions, callback) =>
      connector({ ...connectOptions, servername }, (...result) => {
        if (result[0] === null) lookup.connected(result[1]);
        callback(...result);
      }),
    connect(onConnected) {
      const address = { host: target.hostname, port: target.port, allowHalfOpen: true, ...options };
      const socket = target.secure
        ? connectTls({
            ...address,
            ...tls,
            ALPNProtocols: ["http/1.1"],
            ...(servername === "" ? {} : { servername }),
          })
        : net.connect(address);
      const timer = setTimeout(() => {
        socket.destroy(Object.assign(new Error("connect timed out"), { code: "ETIMEDOUT" }));
      }, connectTimeoutMs);
      socket.once(target.secure ? "secureConnect" : "connect", () => {
        clearTimeout(timer);
        lookup.connected(socket);
        onConnected();
      });
      socket.once("close", () => clearTimeout(timer));
      return socket.setNoDelay(true);
    },
  };
}
