import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request, type RequestOptions } from "node:http";
import {
  type ClientCommand,
  type RelayCommand,
  startClientCommand,
  startRelayCommand,
} from "../support/commands.js";

/** Both commands, and the tunnel `demo` to a local service. */
export interface CommandTunnel {
  readonly relay: RelayCommand;
  readonly client: ClientCommand;
  /** The port to which visitors connect. */
  readonly port: number;
  /** The Host that leads to the tunnel. */
  readonly host: string;
  /** Asks `path` of the tunnel, with node:http, over a connection of its own. */
  request(path: string, options?: RequestOptions): ClientRequest;
  close(): Promise<void>;
}

/** No limits on bodies, so that the tests can send any. The limits have a test of their own. */
const unlimited = ["--max-request-body", "4000000000", "--max-response-body", "4000000000"];

export async function startTunnel(
  targetPort: number,
  relayArgs: readonly string[] = unlimited,
): Promise<CommandTunnel> {
  const relay = await startRelayCommand(relayArgs);
  const client = await startClientCommand(targetPort, relay.port, ["--subdomain", "demo"]);
  const host = "demo.localhost";
  return {
    relay,
    client,
    port: relay.port,
    host,
    request: (path, options = {}) =>
      request({
        host: "127.0.0.1",
        port: relay.port,
        path,
        agent: false,
        ...options,
        headers: { host, ...options.headers },
      }),
    async close() {
      await client.close();
      await relay.close();
    },
  };
}

/** The head of the response to a request that was or will be sent. */
export async function response(req: ClientRequest): Promise<IncomingMessage> {
  const [res] = (await once(req, "response")) as [IncomingMessage];
  return res;
}

/** The whole body. */
export async function body(res: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
