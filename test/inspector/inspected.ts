import { createRelay } from "mcp-tunnel";
import { createService, type ServiceOptions, startTunnelClient } from "mcp-tunnel-client";
import { createInspector } from "mcp-tunnel-inspector";
import type { CallDetail, McpSession, SessionDetail } from "mcp-tunnel-inspector/model";

/** A service behind a relay, and an inspector beside it. */
export interface Inspected {
  /** The public URL. */
  readonly origin: string;
  sessions(): Promise<readonly McpSession[]>;
  session(key: string): Promise<SessionDetail>;
  call(key: string): Promise<CallDetail>;
  close(): Promise<void>;
}

export async function startInspected(options: ServiceOptions): Promise<Inspected> {
  const relay = createRelay({ domain: "localhost", host: "127.0.0.1", port: 0, startupHoldMs: 0 });
  const { port } = await relay.listen();
  const inspector = createInspector();
  const client = await startTunnelClient({
    service: inspector.inspected(createService(options)),
    observeExchange: inspector.observe,
    relayUrl: `http://127.0.0.1:${port}`,
    token: "demo",
    subdomain: "demo",
  });
  const page = await inspector.listen();
  const get = async <T>(path: string): Promise<T> => {
    const headers = { authorization: `Bearer ${page.secret}`, connection: "close" };
    const answer = await fetch(`http://${page.host}:${page.port}/api/${path}`, { headers });
    if (!answer.ok) throw new Error(`${answer.status} for ${path}`);
    return (await answer.json()) as T;
  };
  return {
    origin: `http://demo.localhost:${port}`,
    sessions: async () => (await get<{ sessions: McpSession[] }>("sessions")).sessions,
    session: (key) => get(`sessions/${key}`),
    call: (key) => get(`calls/${key}`),
    async close() {
      await inspector.close();
      await client.close();
      await relay.close(1_000);
    },
  };
}
