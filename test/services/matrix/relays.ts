import { startClientCommand, startRelayCommand } from "../../support/commands.js";
import { startSecureRelay } from "../../support/secure.js";

/** The scheme by which visitors reach the relay. */
export type Scheme = "http" | "https";

export const schemes: readonly Scheme[] = ["http", "https"];

/** A way to a service: the tunnel, or its own port. */
export interface Way {
  /** The origin at which visitors find the service, without a slash at the end. */
  readonly origin: string;
  /** The certificate authority that visitors have to trust for it, as PEM. */
  readonly ca?: string;
}

/** A tunnel, by the client command. */
export interface Tunnel extends Way {
  close(): Promise<unknown>;
}

/** A relay for each scheme. */
export interface Relays {
  /** Connects the client command, with options as on the command line, and waits until the tunnel is up. */
  connect(scheme: Scheme, servicePort: number, options: string): Promise<Tunnel>;
  close(): Promise<void>;
}

/**
 * The domain of the tunnels. Unlike `.test` and `.localhost`, no development server takes it for a name of
 * its own machine.
 */
const domain = "tunnel.example";

export async function startRelays(): Promise<Relays> {
  const plain = await startRelayCommand(["--domain", domain]);
  const secure = await startSecureRelay([], domain);
  let tunnels = 0;
  return {
    async connect(scheme, servicePort, options) {
      const args = ["--subdomain", `service-${++tunnels}`, ...options.split(" ").filter(Boolean)];
      if (scheme === "http") {
        const client = await startClientCommand(servicePort, plain.port, args);
        return { origin: new URL(client.url).origin, close: () => client.close() };
      }
      const client = await startClientCommand(
        servicePort,
        secure.port,
        ["--relay", `https://127.0.0.1:${secure.port}`, ...args],
        { NODE_EXTRA_CA_CERTS: secure.caFile },
      );
      return { origin: new URL(client.url).origin, ca: secure.authority.cert, close: () => client.close() };
    },
    async close() {
      await plain.close();
      await secure.close();
    },
  };
}
