import { createRelay, type RelayOptions } from "mcp-tunnel";
import { startTunnelClient, type TunnelClient, type TunnelClientOptions } from "mcp-tunnel-client";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.js";
import { createVisitor, type Visitor } from "./visitor.js";

/** A relay, a client and visitors in this process, for tests of things that separate processes would hide. */
export interface InProcessTunnel {
  readonly relayPort: number;
  readonly client: TunnelClient;
  /** Visits `path` of the tunnel. */
  readonly visit: (path: string, options?: Parameters<Visitor["visit"]>[2]) => ReturnType<Visitor["visit"]>;
  /** The proxy between the client and the relay, if `faults` was set. */
  readonly proxy: FaultProxy | undefined;
  close(): Promise<void>;
}

export interface InProcessOptions {
  /** The local service's port; left out where `client` says what is served. */
  upstreamPort?: number;
  relay?: Partial<RelayOptions>;
  client?: Partial<TunnelClientOptions>;
  /** Puts a fault proxy between the client and the relay. */
  faults?: boolean;
}

/** Starts all of them on free ports. The tunnel is called `demo`. */
export async function startInProcess(options: InProcessOptions): Promise<InProcessTunnel> {
  const relay = createRelay({
    domain: "localhost",
    host: "127.0.0.1",
    port: 0,
    startupHoldMs: 0,
    ...options.relay,
  });
  const { port: relayPort } = await relay.listen();
  const proxy = options.faults === true ? await startFaultProxy(relayPort) : undefined;
  const client = await startTunnelClient({
    ...(options.upstreamPort === undefined ? {} : { port: options.upstreamPort }),
    relayUrl: `http://127.0.0.1:${proxy?.port ?? relayPort}`,
    token: "demo",
    subdomain: "demo",
    ...options.client,
  });
  const visitor = createVisitor(relayPort);
  return {
    relayPort,
    client,
    visit: (path, visitOptions) => visitor.visit("demo", path, visitOptions),
    proxy,
    async close() {
      await visitor.close();
      await client.close();
      await proxy?.close();
      await relay.close(1_000);
    },
  };
}
