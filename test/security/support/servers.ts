import { createRelay, type Relay, type RelayOptions } from "mcp-tunnel";
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
