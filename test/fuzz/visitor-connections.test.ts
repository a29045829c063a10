import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import type { RelayOptions } from "mcp-tunnel";
import { afterAll, beforeAll, describe, it } from "vitest";
import { startAdminRelay } from "../admin/support.js";
import { type ClientCommand, startClientCommand } from "../support/commands.js";
import { expectNoLeaks } from "../support/leaks.js";
import { type Conversation, conversations, type Way } from "./support/conversations.js";
import { Peer, type Ports } from "./support/converse.js";
import { createIdentity, type Identity } from "./support/identity.js";
import { patientRuns, patientTimeoutMs, tryPlans } from "./support/patience.js";
import { startService } from "./support/service.js";
import { honestExchange, honestHttp2Exchange } from "./support/survivor.js";
import { knownPlans } from "./support/vectors.js";
import { WatchedRelay } from "./support/watched-relay.js";

// The remains of visitors. Whatever they sent, and whether they left or not: the relay lets go of their
// connections in a bounded time, serves the next visitor, and ends when it is told to.

type Plan = Conversation[];

let identity: Identity;
beforeAll(async () => {
  identity = await createIdentity();
});
afterAll(() => identity.close());

function startTlsClient(servicePort: number, relayPort: number): Promise<ClientCommand> {
  return startClientCommand(
    servicePort,
    relayPort,
    ["--relay", `https://127.0.0.1:${relayPort}`, "--subdomain", "demo"],
    { NODE_EXTRA_CA_CERTS: identity.caFile },
  );
}

/** One relay without TLS and one with it, in this process, and a tunnel `demo` to a service through each. */
class Relays {
  readonly ports: Ports;
  readonly #relays: readonly WatchedRelay[];
  readonly #others: readonly { close(): Promise<unknown> }[];
  readonly #uncaught: unknown[] = [];

  private constructor(
    plain: WatchedRelay,
    tls: WatchedRelay,
    others: readonly { close(): Promise<unknown> }[],
  ) {
    this.#relays = [plain, tls];
    this.#others = others;
    this.ports = {
      plain: plain.port,
      ...{ tls: tls.port, h2: tls.port, handshake: tls.port },
      redirect: tls.redirectPort as number,
    };
    // A program that uses createRelay would end by such an error.
    process.setUncaughtExceptionCaptureCallback((error) => this.#uncaught.push(error));
  }

  static async start(options: Partial<RelayOptions>): Promise<Relays> {
    const service = await startService();
    const plain = await WatchedRelay.start(options);
    const tls = await WatchedRelay.start({ ...options, tls: { files: [identity.files], redirectPort: 0 } });
    const clients = await Promise.all([
      startClientCommand(service.port, plain.port, ["--subdomain", "demo"]),
      startTlsClient(service.port, tls.port),
    ]);
    return new Relays(plain, tls, [...clients, service]);
  }

  /**
   * @throws Error unless nothing is left of the visitors after `looks` checks, and the next visitors are
   * served.
   */
  async expectNothingLeft(peers: readonly Peer[], looks: number): Promise<void> {
    const ports = peers.map(({ localPort }) => localPort);
    let held: number[] = [];
    let open = 0;
    // The wait counts checks instead of time: a busy machine slows the relay, which is in this process, as
    // much as the test.
    for (let look = 0; look < looks; look++) {
      held = this.#relays.flatMap((relay) => relay.held(ports));
      open = this.#relays.reduce((sum, { openExchanges }) => sum + openExchanges, 0);
      if (held.length + open + this.#uncaught.length === 0) break;
      if (this.#uncaught.length > 0) break;
      await sleep(20);
    }
    this.#expectNoFault();
    const whose = peers.flatMap(({ localPort }, i) => (held.includes(localPort) ? [i] : []));
    if (held.length + open > 0) {
      throw new Error(`left: the connections of the visitors [${whose.join()}], ${open} exchanges`);
    }
    await honestExchange(this.ports.plain as number);
    await honestExchange(this.ports.tls as number, "demo.localhost", identity.ca);
    await honestHttp2Exchange(this.ports.h2 as number, "demo.localhost", identity.ca);
    this.#expectNoFault();
  }

  cut(peers: readonly Peer[]): void {
    for (const relay of this.#relays) relay.cut(peers.map(({ localPort }) => localPort));
  }

  #expectNoFault(): void {
    const [uncaught] = this.#uncaught.splice(0);
    if (uncaught !== undefined) throw new Error(`nobody caught ${String(uncaught)}`, { cause: uncaught });
    for (const relay of this.#relays) relay.expectNoFault();
  }

  async close(): Promise<void> {
    process.setUncaughtExceptionCaptureCallback(null);
    for (const relay of this.#relays) await relay.close();
    for (const other of this.#others) await other.close();
  }
}

/**
 * So short that the connections that they end are over within a moment. A response may take as long as it
 * likes.
 */
const short = {
  idleTimeoutMs: 400,
  headerTimeoutMs: 400,
  bodyTimeoutMs: 400,
  writeTimeoutMs: 400,
  holdTimeoutMs: 100,
  registrationTimeoutMs: 400,
} satisfies Partial<RelayOptions>;

const ways: readonly Way[] = ["plain", "tls", "h2", "handshake", "redirect"];

/**
 * Judges whether a plan leaves nothing behind. It checks `looks` times, 20 ms apart, until a plan has left
 * something. Then it checks less often, because smaller plans are tried.
 */
function judgeOf(relays: Relays, looks: number): (plan: Plan) => Promise<void> {
  let patience = looks;
  return async (plan) => {
    const peers = await Promise.all(plan.map((one) => Peer.converse(one, relays.ports)));
    try {
      await relays.expectNothingLeft(peers, patience);
    } catch (error) {
      patience = looks / 2;
      relays.cut(peers);
      throw error;
    } finally {
      for (const peer of peers) peer.leave();
    }
  };
}

/** All known plans in one: each of their visitors is judged separately, and all share the wait. */
function together(which: "stayers" | "terminations"): [Plan][] {
  return [[knownPlans<Plan>(which).flatMap(([plan]) => plan)]];
}

describe("the connections of visitors", () => {
  it(
    "are gone when their visitors are",
    async () => {
      const plans = fc.array(conversations(ways, ["close", "reset"]), { minLength: 1, maxLength: 4 });
      await expectNoLeaks(async () => {
        const relays = await Relays.start(short);
        try {
          await tryPlans(plans, judgeOf(relays, 500), {
            ...patientRuns(15),
            examples: knownPlans<Plan>("connections"),
          });
        } finally {
          await relays.close();
        }
      });
    },
    patientTimeoutMs,
  );

  it(
    "are gone in time when their visitors stay and take nothing",
    async () => {
      const endless = /\/upgrade|\/quiet/;
      const staying = conversations(ways, ["stay"]).filter((one) => !endless.test(JSON.stringify(one)));
      const plans = fc.array(staying, { minLength: 1, maxLength: 8 });
      await expectNoLeaks(async () => {
        const relays = await Relays.start({ ...short, responseTimeoutMs: 2_000 });
        try {
          // A client that the relay sends away may take five seconds to say goodbye.
          await tryPlans(plans, judgeOf(relays, 600), { ...patientRuns(2), examples: together("stayers") });
        } finally {
          await relays.close();
        }
      });
    },
    patientTimeoutMs,
  );

  it(
    "do not keep the relay command from ending",
    async () => {
      const everywhere: readonly Way[] = [...ways, "admin"];
      const ends = ["stay", "drip", "close"] as const;
      const plans = fc.array(conversations(everywhere, ends), { minLength: 1, maxLength: 24, size: "max" });
      await tryPlans(plans, expectEnd, { ...patientRuns(2), examples: together("terminations") });
    },
    patientTimeoutMs,
  );
});

const graceMs = 1_000;
/** The time that a busy machine may take besides. */
const slackMs = 3_000;

/**
 * @throws Error unless relay commands end in time when they are told to, while visitors are in the middle of
 * the plan.
 */
async function expectEnd(plan: Plan): Promise<void> {
  const open: { close(): unknown }[] = [];
  const opened = <T extends { close(): unknown }>(one: T): T => {
    open.push(one);
    return one;
  };
  const args = ["--shutdown-grace", `${graceMs}ms`, "--access-log", "off"];
  try {
    const service = opened(await startService());
    const tlsArgs = [...identity.relayArgs, "--http-redirect", "0"];
    const [plain, tls] = await Promise.all([startAdminRelay(args), startAdminRelay([...args, ...tlsArgs])]);
    opened(plain);
    opened(tls);
    const clients = await Promise.all([
      startClientCommand(service.port, plain.port, ["--subdomain", "demo"]),
      startTlsClient(service.port, tls.port),
    ]);
    for (const client of clients) opened(client);
    const { port: redirect } = await tls.waitForJson({ msg: "redirecting to HTTPS" });
    const ports: Ports = {
      plain: plain.port,
      ...{ tls: tls.port, h2: tls.port, handshake: tls.port },
      redirect: redirect as number,
      admin: Number(new URL(plain.admin).port),
    };
    const peers = await Promise.all(plan.map((one) => Peer.converse(one, ports)));
    for (const peer of peers) opened({ close: () => peer.leave() });
    const startedAtMs = performance.now();
    for (const relay of [plain, tls]) relay.child.kill("SIGTERM");
    const ends = Promise.all([plain.exited, tls.exited]);
    const isInTime = await Promise.race([ends.then(() => true), sleep(graceMs + slackMs, false)]);
    if (!isInTime) {
      const running = [plain, tls].filter(
        ({ child }) => child.exitCode === null && child.signalCode === null,
      );
      for (const { child } of running) child.kill("SIGKILL");
      const which = running.map((relay) => (relay === tls ? "with TLS" : "without TLS")).join(" and ");
      throw new Error(
        `the relay ${which} has not ended ${Math.round(performance.now() - startedAtMs)} ms after SIGTERM`,
      );
    }
    for (const { code, signal } of await ends) {
      if (code !== 0) throw new Error(`a relay ended with ${signal ?? code}`);
    }
  } finally {
    for (const one of open.toReversed()) await one.close();
  }
}
