import { randomBytes } from "node:crypto";
import { createService, pickOnly, TunnelClient } from "mcp-tunnel-client";
import type { ConnectedTunnelClient, Service, TunnelClientOptions } from "mcp-tunnel-client";
import { createGate } from "mcp-tunnel-gate";
import { gated } from "mcp-tunnel-gate/service";
import { relayPart } from "../options/relay-options.js";
import type { RelayClientOptions } from "../options/relay-options.js";
import { Probes } from "./probes.js";

/**
 * A tunnel of the doctor's own, for as long as it looks. It takes the name only if no client has it. Before
 * the user's service stands a gate whose key only the doctor knows, whatever gate the user wants: nobody is
 * to visit the service because somebody has asked whether all is well.
 */
export class Trial {
  readonly client: ConnectedTunnelClient;
  readonly probes: Probes;
  /** The fields that let the doctor in. */
  readonly keyHeaders: Readonly<Record<string, string>>;

  /**
   * `service`: the user's, which stays open when the trial is closed. `signal` gives the trial up while it is
   * being opened: a relay that has heard of it is told so, and keeps the name for nobody.
   * @throws TunnelError `taken` if another client has the name, and the others of `startTunnelClient`.
   */
  static async open(
    relay: RelayClientOptions & Pick<TunnelClientOptions, "subdomain">,
    service: Service | undefined,
    signal: AbortSignal,
  ): Promise<Trial> {
    const { subdomain } = relay;
    const key = randomBytes(24).toString("base64url");
    const gate = await createGate({ bearer: { keys: [{ name: "doctor", key }] } });
    const guarded = gated(service === undefined ? nothing() : lent(service), gate);
    const probes = new Probes();
    const client = new TunnelClient({
      // A client's other options are not the trial's.
      ...relayPart(relay),
      ...(subdomain === undefined ? {} : { subdomain }),
      claim: "if_free",
      shutdownGraceMs: 0,
      service: beside(probes, guarded),
      pick: pickAny,
    });
    const giveUp = (): void => void client.close();
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    try {
      await client.start();
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
    return new Trial(client as ConnectedTunnelClient, probes, key);
  }

  constructor(client: ConnectedTunnelClient, probes: Probes, key: string) {
    this.client = client;
    this.probes = probes;
    // A key here leaves `Authorization` as it would be without a gate.
    this.keyHeaders = { "x-api-key": key };
  }

  async close(): Promise<void> {
    await this.client.close();
  }
}

/** Any name that no person would choose. */
function pickAny(patterns: readonly string[]): string {
  const open = patterns.find((pattern) => pattern.includes("*"));
  return open === undefined
    ? pickOnly(patterns)
    : open.replace("*", `doctor-${randomBytes(6).toString("hex")}`);
}

/** The probes at their paths, and the guarded service at all others. */
function beside(probes: Probes, guarded: Service): Service {
  return {
    accept(stream, head, end, tunnel) {
      const service = head.path.startsWith(`${probes.prefix}/`) ? probes.service : guarded;
      return service.accept(stream, head, end, tunnel);
    },
    get open() {
      return probes.service.open + guarded.open;
    },
    ...(guarded.gate === undefined ? {} : { gate: guarded.gate }),
    begin(tunnel) {
      probes.service.begin?.(tunnel);
      guarded.begin?.(tunnel);
    },
    async close() {
      await Promise.all([probes.close(), guarded.close()]);
    },
  };
}

/** A service that stays the doctor's. */
function lent(service: Service): Service {
  return {
    accept: (stream, head, end, tunnel) => service.accept(stream, head, end, tunnel),
    get open() {
      return service.open;
    },
    begin: (tunnel) => service.begin?.(tunnel),
    close: () => Promise.resolve(),
  };
}

function nothing(): Service {
  return createService({ fetch: () => new Response(null, { status: 404 }) });
}
