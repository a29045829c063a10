import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { createRelay } from "mcp-tunnel";
import { startTunnelClient } from "mcp-tunnel-client";
import { type Nginx, startNginx } from "./nginx.js";
import { RawVisitor, statuses } from "./raw-visitor.js";

/** A request as the service got it. */
export interface ServedRequest {
  method: string;
  path: string;
  rawHeaders: readonly string[];
  body: string;
  /** Whether the request came to its end. */
  whole: boolean;
}

/** The fate of the bytes that a visitor sent. */
export interface Visit {
  received: string;
  /** The requests that the service received, one after the other. */
  requests: readonly ServedRequest[];
  /** The status of the first answer. `undefined` when there was no answer, or no head. */
  status: number | undefined;
  /** nginx answered by itself, and the relay never saw the request. */
  byNginx: boolean;
}

/**
 * nginx, a relay for the domain tunnel.test, the client under `app` and a service that keeps its connections,
 * in a row.
 */
export class Chain {
  readonly relayPort: number;
  readonly nginx: Nginx;
  readonly #stop: () => Promise<void>;
  readonly #service: Service;
  /** The number of requests that the relay has reported. */
  readonly #reported: () => number;

  private constructor(
    relayPort: number,
    nginx: Nginx,
    service: Service,
    reported: () => number,
    stop: () => Promise<void>,
  ) {
    this.relayPort = relayPort;
    this.nginx = nginx;
    this.#service = service;
    this.#reported = reported;
    this.#stop = stop;
  }

  static async start(): Promise<Chain> {
    const service = new Service();
    await service.listen();
    let reported = 0;
    const relay = createRelay({
      domain: "tunnel.test",
      host: "127.0.0.1",
      port: 0,
      // Short, for vectors that wait for more bytes.
      headerTimeoutMs: 600,
      bodyTimeoutMs: 600,
      observers: [
        {
          onEnd() {
            reported += 1;
          },
        },
      ],
    });
    const { port } = await relay.listen();
    const relayUrl = `http://127.0.0.1:${port}`;
    const client = await startTunnelClient({
      port: service.port,
      relayUrl,
      subdomain: "app",
      forwardedHeaders: "all",
      shutdownGraceMs: 0,
    });
    const nginx = await startNginx(port);
    return new Chain(
      port,
      nginx,
      service,
      () => reported,
      async () => {
        await nginx.close();
        await client.close();
        await relay.close(0);
        service.close();
      },
    );
  }

  /** Sends `text` and returns when it was answered, or when the connection was closed. */
  async visit(port: number, text: string): Promise<Visit> {
    const requests: ServedRequest[] = [];
    this.#service.requests = requests;
    const before = this.#reported();
    const visitor = new RawVisitor({ port });
    visitor.send(text);
    await visitor.until((received) => statuses(received).length > 0);
    // A second answer would show at once: both would answer bytes that were sent together.
    await new Promise((resolve) => setImmediate(resolve));
    const { received } = visitor;
    visitor.close();
    const [status] = statuses(received);
    const byNginx =
      this.#reported() === before && requests.length === 0 && !received.includes("X-Tunnel-Error: ");
    return { received, requests, status, byNginx };
  }

  close(): Promise<void> {
    return this.#stop();
  }
}

class Service {
  requests: ServedRequest[] = [];
  readonly #server = createServer((req, res) => {
    void this.#take(req).then(
      () => res.end(`answer to ${req.url}`),
      () => res.destroy(),
    );
  });

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  close(): void {
    this.#server.close();
  }

  async #take(req: IncomingMessage): Promise<void> {
    const { method = "", url: path = "", rawHeaders } = req;
    const request: ServedRequest = { method, path, rawHeaders, body: "", whole: false };
    this.requests.push(request);
    req.setEncoding("latin1");
    for await (const text of req) request.body += text as string;
    request.whole = true;
  }
}
