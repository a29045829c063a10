import { createService } from "mcp-tunnel-client";
import {
  createInspector,
  type Inspector,
  type InspectorOptions,
  type InspectorPage,
} from "mcp-tunnel-inspector";
import type { ExchangeDetail, ExchangeSummary } from "mcp-tunnel-inspector/model";
import { expect } from "vitest";
import { type InProcessTunnel, startInProcess } from "../../support/in-process.js";

/** A tunnel whose client is inspected, with the page open. */
export interface Inspected {
  readonly inspector: Inspector;
  readonly page: InspectorPage;
  readonly tunnel: InProcessTunnel;
  /** An answer of the API. */
  ask(path: string, options?: RequestInit): Promise<Response>;
  json(path: string): Promise<unknown>;
  /** All that is kept, the newest first. `query`: filters, with their question mark. */
  list(query?: string): Promise<ExchangeSummary[]>;
  /** The details of the newest exchange with this path, once it is over. */
  detail(path: string): Promise<ExchangeDetail>;
  close(): Promise<void>;
}

export async function startInspected(
  upstreamPort: number,
  options: InspectorOptions = {},
): Promise<Inspected> {
  const inspector = createInspector(options);
  const service = inspector.inspected(createService({ port: upstreamPort }));
  const tunnel = await startInProcess({ client: { service, observeExchange: inspector.observe } });
  inspector.follow(tunnel.client);
  const page = await inspector.listen();
  const origin = new URL(page.url).origin;
  const ask: Inspected["ask"] = (path, more = {}) => {
    const headers = { authorization: `Bearer ${page.secret}`, origin, ...more.headers };
    return fetch(`${origin}${path}`, { ...more, headers });
  };
  const json = async (path: string): Promise<unknown> => {
    const answer = await ask(path);
    expect(answer.status, path).toBe(200);
    return answer.json();
  };
  const list: Inspected["list"] = async (query = "") =>
    ((await json(`/api/exchanges${query}`)) as { exchanges: ExchangeSummary[] }).exchanges;
  return {
    inspector,
    page,
    tunnel,
    ask,
    json,
    list,
    async detail(path) {
      const query = `?limit=1&path=${encodeURIComponent(path)}`;
      await expect.poll(async () => (await list(query))[0]?.state).not.toMatch(/^open$/);
      const [found] = await list(query);
      return (await json(`/api/exchanges/${found?.id}`)) as ExchangeDetail;
    },
    async close() {
      await inspector.close();
      await tunnel.close();
    },
  };
}
