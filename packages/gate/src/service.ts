import { createService } from "mcp-tunnel-client";
import type { ServedTunnel, Service } from "mcp-tunnel-client";
import { headerValue, unusable } from "mcp-tunnel-protocol";
import type { AcceptedStream, RawHeaders, RequestHead, StreamHandler } from "mcp-tunnel-protocol";
import { OpenList } from "mcp-tunnel-shared";
import { Admitted } from "./admitted.js";
import type { Admission } from "./admitted.js";
import type { Gate } from "./gate.js";
import { OwnLoginWatch } from "./own-login.js";
import { pageFields } from "./page-fields.js";
import type { Answer } from "./visit.js";

/**
 * Puts a gate before the service of a tunnel. The result is a service, which owns both from then on and
 * closes them. Give it to one client.
 *
 * @example
 * const gate = await createGate({ bearer: { keys: [{ name: "laptop", key: process.env.VISITOR_KEY }] } });
 * const service = gated(createService({ port: 3000 }), gate);
 * const tunnel = await startTunnelClient({ service, relayUrl: "https://tunnel.example.com" });
 */
export function gated(service: Service, gate: Gate): Service {
  return new GatedService(service, gate);
}

class GatedService implements Service {
  readonly #service: Service;
  readonly #gate: Gate;
  readonly #ownLogin = new OwnLoginWatch();
  /** Answers visits to the gate's own pages. Made for the first of them. */
  #pages: Service | undefined;
  /** The streams that were let in by a proof, and are not over. */
  readonly #admitted = new OpenList<Admitted>();
  readonly #admission: Admission = {
    onHead: (head, tunnel) => this.#ownLogin.look(head, tunnel),
    onOpen: (admitted) => this.#admitted.add(admitted),
    onOver: (admitted) => this.#admitted.delete(admitted),
  };
  /** The tunnels that have begun. More than one serves only while a client moves. */
  readonly #begun = new WeakSet<ServedTunnel>();

  constructor(service: Service, gate: Gate) {
    this.#service = service;
    this.#gate = gate;
    gate.onLess(() => this.#judgeAgain());
  }

  get open(): number {
    return this.#service.open + (this.#pages?.open ?? 0);
  }

  get gate(): Gate["declaration"] {
    return this.#gate.declaration;
  }

  begin(tunnel: ServedTunnel): void {
    if (this.#gate.needsAddress && !tunnel.isVisitorOwn) {
      throw unusable(
        "the gate decides by the visitors' addresses, which this relay does not tell: use a relay that does, " +
          "or leave out the allowed addresses and give passwords of 16 characters or more",
        { options: ["allowAddresses", "basic"] },
      );
    }
    this.#gate.begin(tunnel.origin);
    this.#service.begin?.(tunnel);
    this.#begun.add(tunnel);
  }

  accept(stream: AcceptedStream, head: RequestHead, end: boolean, tunnel: ServedTunnel): StreamHandler {
    // A program that mounts the service by itself may have left it out. Nobody comes in if it fails.
    if (!this.#begun.has(tunnel)) this.begin(tunnel);
    const { method, path: target, headers } = head;
    const { origin } = tunnel;
    const address = tunnel.isVisitorOwn ? headerValue(headers, "x-tunnel-visitor") : undefined;
    const visit = { method, target, headers, address, origin };
    const verdict = this.#gate.judge(visit);
    switch (verdict.kind) {
      case "pass": {
        const passed = withFields(head, verdict.headers);
        // Nothing was shown, so nothing is taken from the service, and nothing can hold no more.
        if (verdict.identity === undefined) return this.#service.accept(stream, passed, end, tunnel);
        const admitted = new Admitted(stream, visit, end, tunnel, this.#admission);
        admitted.serve(this.#service.accept(admitted, passed, end, tunnel));
        return admitted;
      }
      case "page": {
        this.#pages ??= createService({ handler: this.#gate.pages });
        const fields = pageFields(headers, origin, address);
        return this.#pages.accept(stream, { method, path: target, headers: fields }, end, tunnel);
      }
      case "answer":
        return send(stream, verdict.answer, method, end);
    }
  }

  #judgeAgain(): void {
    for (const admitted of this.#admitted.toArray()) {
      if (this.#gate.judge(admitted.visit).kind !== "pass") admitted.cut();
    }
  }

  async close(): Promise<void> {
    try {
      await Promise.all([this.#service.close(), this.#pages?.close()]);
    } finally {
      // Grants that wait to be written are written even if the service fails to close.
      await this.#gate.close();
    }
  }
}

/** A spread would take most of the time that the gate takes for a request. */
function withFields({ method, path, upgrade }: RequestHead, headers: RawHeaders): RequestHead {
  return upgrade === undefined ? { method, path, headers } : { method, path, headers, upgrade };
}

/** Answers at once. The rest of the request is not wanted. */
function send(
  stream: AcceptedStream,
  { status, headers, body }: Answer,
  method: string,
  end: boolean,
): StreamHandler {
  const isWhole = method === "HEAD" || body === "";
  stream.sendHead({ status, headers }, isWhole);
  if (!isWhole) {
    stream.write(Buffer.from(body));
    stream.end();
  }
  if (!end) stream.reset("no_error");
  return unread;
}

const unread: StreamHandler = { onData() {}, onEnd() {}, onReset() {} };
