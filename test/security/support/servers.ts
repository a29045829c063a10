import { createRelay, type Relay, type RelayOptions } from "mcp-tunnel";
import { plainEntrance } from "../../../packages/relay/test/http2-support.js";
import { createAuthority, createFolder } from "../../support/certificates.js";
import { RecordingClient } from "./recording-client.js";

/** A relay in this process with a recording client under `app`. */
export interface RecordedRelay {
  readonly port: number;
  readonly relay: Relay;
  readonly client: RecordingClient;
  close(): Promise<void>;
}

export async function startRecordedRelay(options: Partial<RelayOptions> = {}): Promise<RecordedRelay> {
  const relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0, ...options });
  const { port } = await relay.listen();
  const client = await RecordingClient.connect(port, "app");
  return {
    port,
    relay,
    client,
    async close() {
      client.close();
      await relay.close(0);
    },
  };
}

/**
 * A relay in this process that speaks TLS, for visitors over HTTP/2. Clients and HTTP/1.1 have an entrance
 * without TLS.
 */
export interface SecureRelay {
  readonly securePort: number;
  readonly plainPort: number;
  close(): Promise<void>;
}

export async function startSecureRelay(options: Partial<RelayOptions> = {}): Promise<SecureRelay> {
  const folder = createFolder();
  const pair = await (await createAuthority()).issue(["tunnel.test", "*.tunnel.test"]);
  const files = { cert: folder.write("cert.pem", pair.cert), key: folder.write("key.pem", pair.key) };
  const tls = { files: [files] };
  const relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0, tls, ...options });
  const { port } = await relay.listen();
  const entrance = await plainEntrance(port);
  return {
    securePort: port,
    plainPort: entrance.port,
    async close() {
      entrance.close();
      await relay.close(0);
      folder.close();
    },
  };
}
