import { request } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { createRelay, type Relay, type RelayOptions } from "mcp-tunnel";
import type { AdminOptions } from "../../packages/relay/src/admin/admin-options.js";
import { createMetrics } from "../../packages/relay/src/admin/metrics.js";
import { createAdminServer } from "../../packages/relay/src/admin/server.js";

/** The secret of the listeners of tests. */
export const secret = "a secret of the operator";

/** A relay in this process, with a listener for its operator. */
export interface TestAdmin {
  readonly relay: Relay;
  /** Of visitors and clients. */
  readonly port: number;
  readonly adminPort: number;
  /** The address of the listener, as a Host field has it. */
  readonly authority: string;
  readonly origin: string;
  /** As the page does: with the secret, and with the page's origin unless the method is GET. */
  ask(path: string, options?: AskOptions): Promise<AdminAnswer>;
  close(): Promise<void>;
}

export interface AskOptions {
  readonly method?: string;
  /** Replace those that are sent otherwise; `undefined` leaves one out. */
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
  /** Sent as JSON, unless it is a text or bytes. */
  readonly body?: unknown;
}

export interface AdminAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  json(): Record<string, unknown>;
}

/** `admin`: of the listener. It has the secret unless this says otherwise. */
export async function startAdmin(
  options: Partial<RelayOptions> = {},
  admin: Partial<AdminOptions> = {},
): Promise<TestAdmin> {
  const metrics = createMetrics("1.2.3");
  const relay = createRelay({
    ...{ domain: "localhost", host: "127.0.0.1", port: 0, startupHoldMs: 0 },
    ...options,
    observers: [metrics.observer],
  });
  const { port } = await relay.listen();
  const server = createAdminServer(relay, {
    ...{ host: "127.0.0.1", port: 0, secret, metrics, version: "1.2.3" },
    ...admin,
  });
  const { port: adminPort } = await server.listen();
  const authority = `127.0.0.1:${adminPort}`;
  const origin = `http://${authority}`;
  return {
    ...{ relay, port, adminPort, authority, origin },
    async ask(path, { method = "GET", headers = {}, body } = {}) {
      const content =
        typeof body === "string" || Buffer.isBuffer(body) || body === undefined ? body : JSON.stringify(body);
      const all = {
        authorization: `Bearer ${secret}`,
        ...(method === "GET" || method === "HEAD" ? {} : { origin }),
        ...(content === undefined ? {} : { "content-type": "application/json" }),
        // Node announces no body of a DELETE by itself.
        ...(content === undefined || "transfer-encoding" in headers
          ? {}
          : { "content-length": String(Buffer.byteLength(content)) }),
        ...headers,
      };
      const given = Object.entries(all).filter(([, value]) => value !== undefined);
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const wanted = {
          host: "127.0.0.1",
          port: adminPort,
          path,
          method,
          headers: Object.fromEntries(given),
        };
        request({ ...wanted, agent: false }, resolve)
          .on("error", reject)
          .end(content);
      });
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      const { statusCode: status = 0, headers: fields } = response;
      return { status, headers: fields, text, json: () => JSON.parse(text) as Record<string, unknown> };
    },
    async close() {
      await server.close();
      await relay.close(0);
    },
  };
}
