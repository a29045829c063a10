import { headerValue } from "mcp-tunnel-protocol";
import type { AcceptedStream, RequestHead, StreamHandler } from "mcp-tunnel-protocol";
import type { PerTunnel } from "../per-tunnel.js";
import type { ServedTunnel, Service } from "../service.js";
import { Agreement } from "./agreement/agreement.js";
import { termsPerTunnel } from "./agreement/terms.js";
import type { Terms } from "./agreement/terms.js";
import { Answer } from "./answer.js";
import type { LocalPool } from "./local-pool.js";
import type { ForwardingOptions } from "./policies.js";
import { sendRaw } from "./raw-request.js";
import { LocalRequest } from "./request.js";
import { createUpstream } from "./upstream.js";
import type { Upstream } from "./upstream.js";

/** Takes the streams of every session and sends each on to a service that speaks HTTP/1.1. */
export class Forwarder implements Service {
  readonly #upstream: Upstream;
  /** For requests of visitors who came with TLS, if the service is shown the difference. */
  readonly #secureUpstream: Upstream | undefined;
  readonly #terms: PerTunnel<Terms>;
  #closing: Promise<void> | undefined;

  /**
   * `secure`: the pool whose connections tell the service that the visitor has TLS. Default: the service is
   * not told.
   */
  constructor(options: ForwardingOptions, pool: LocalPool, secure?: LocalPool) {
    this.#upstream = createUpstream(options, pool);
    this.#secureUpstream = secure === undefined ? undefined : createUpstream(options, secure);
    this.#terms = termsPerTunnel(options);
  }

  get open(): number {
    return openOf(this.#upstream) + (this.#secureUpstream === undefined ? 0 : openOf(this.#secureUpstream));
  }

  accept(stream: AcceptedStream, head: RequestHead, end: boolean, tunnel: ServedTunnel): StreamHandler {
    const agreement = new Agreement(this.#terms.of(tunnel), head);
    const upstream = this.#upstreamFor(agreement);
    const answer = new Answer(stream, head, agreement);
    const raw =
      head.upgrade === true ||
      head.path === "*" ||
      headerValue(head.headers, "expect") !== undefined ||
      (!end && headerValue(head.headers, "trailer") !== undefined);
    return raw ? sendRaw(answer, upstream, end) : new LocalRequest(answer, upstream, end);
  }

  #upstreamFor(agreement: Agreement): Upstream {
    if (this.#secureUpstream === undefined) return this.#upstream;
    return agreement.serviceOrigin.startsWith("https:") ? this.#secureUpstream : this.#upstream;
  }

  /** Cuts all requests to the service. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await cut(this.#upstream);
    if (this.#secureUpstream !== undefined) await cut(this.#secureUpstream);
  }
}

function openOf({ pooled, own }: Upstream): number {
  return pooled.size + own.size;
}

async function cut(upstream: Upstream): Promise<void> {
  const { own, pooled, pool } = upstream;
  upstream.isClosed = true;
  for (const request of own.toArray()) request.cut();
  await Promise.all(pooled.toArray().map((request) => request.cut()));
  await pool.release();
}
