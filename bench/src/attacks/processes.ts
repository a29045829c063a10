import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createCertificate } from "../certificate.js";
import { type Child, freePort, startChild } from "../child.js";
import { untilServing } from "../endpoint.js";
import { openSockets } from "../proc.js";
import { here } from "../systems/mcp-tunnel.js";
import type { Attack } from "./attack.js";
import type { HonestReport } from "./honest-main.js";

/**
 * The relay as a user would start it, with two tunnels: `target`, which is attacked, and `demo`, which an
 * honest visitor uses. Each tunnel has a client and a service of its own, and each of them is a process. In
 * an attack on a client, the client of `target` is connected to the attacker instead.
 */
export interface Scene {
  /** The process that is attacked. */
  readonly victim: Child;
  /** The port at which the relay listens, or a hostile relay has to. */
  readonly attackPort: number;
  readonly honest: HonestVisitor;
  /**
   * How often each limit of the relay took effect so far. Undefined when the relay does not answer its
   * operator.
   */
  limits(): Promise<ReadonlyMap<string, number> | undefined>;
  /**
   * Counts the sockets left when the attacker and the honest visitor have gone, and ends the victim as its
   * user would.
   */
  end(): Promise<Ending>;
  stop(): Promise<void>;
}

export interface HonestVisitor {
  /** The visitor's requests since the last report. Waits for those that are open. */
  report(): Promise<HonestReport>;
}

/** How an attack ended for its victim. */
export interface Ending {
  /** Sockets of the victim before anybody visited. */
  readonly socketsBefore: number;
  /** Sockets that it still had after it had been left alone for as long as an unread connection may stay. */
  readonly socketsLeft: number;
  /** Time from SIGTERM to the end of the process. Undefined when it had to be killed. */
  readonly endedAfterMs: number | undefined;
}

/**
 * How long the victim may take to close the connections of peers who have left: its time limit for heads,
 * plus the interval at which it looks.
 */
const maxSocketsMs = 20_000;
/**
 * How long open exchanges may go on after SIGTERM. Short, so that no row has to wait for the default of 30 s.
 */
const graceS = 5;
/** How long the victim may take to end. */
export const maxEndMs = 8_000;
/** How long the relay may take to answer its operator. */
export const maxAdminMs = 10_000;

const script = (name: string): string => fileURLToPath(new URL(`${name}.js`, import.meta.url));

export async function startScene(attack: Attack | undefined, folder: string): Promise<Scene> {
  const [relayPort, adminPort] = [await freePort(), await freePort()];
  const certificate = attack?.tls === true ? await createCertificate(folder, ["demo", "target"]) : undefined;
  const ca = certificate === undefined ? undefined : readFileSync(certificate.cert, "latin1");
  const relayUrl = `${ca === undefined ? "http" : "https"}://127.0.0.1:${relayPort}`;
  const relayArgs = [
    ...["--domain", "localhost", "--host", "127.0.0.1", "--port", relayPort],
    ...["--admin-listen", `127.0.0.1:${adminPort}`],
    // All peers are on loopback here, and the relay does not count loopback addresses by default.
    ...["--limit-exempt", "none", "--shutdown-grace", `${graceS}s`],
    ...(certificate === undefined ? [] : ["--tls-cert", certificate.cert, "--tls-key", certificate.key]),
    ...(attack?.relayArgs ?? []),
  ];
  const relay = startChild("relay", process.execPath, [here.relay, ...relayArgs], folder);
  await untilServing({ port: relayPort, host: "localhost", ca, processes: [relay] }, undefined);

  const hostilePort = attack?.victim === "client" ? await freePort() : undefined;
  const startEnd = async (name: string, url: string): Promise<{ client: Child; service: Child }> => {
    const port = await freePort();
    const service = startChild("service", process.execPath, [script("service-main"), port], folder);
    const args = [port, "--relay", url, "--subdomain", name, "--shutdown-grace", `${graceS}s`];
    const trust = certificate === undefined ? {} : { NODE_EXTRA_CA_CERTS: certificate.cert };
    const env = { MCP_TUNNEL_TOKEN: "the honest token", ...trust };
    const client = startChild("client", process.execPath, [here.client, ...args], folder, env);
    return { client, service };
  };
  const untilServed = (name: string, processes: readonly Child[]): Promise<void> => {
    const endpoint = { port: relayPort, host: `${name}.localhost`, ca, processes };
    return untilServing(endpoint, { path: "/small", status: 200 });
  };
  const demo = await startEnd("demo", relayUrl);
  await untilServed("demo", [relay, demo.client, demo.service]);
  const target = await startEnd(
    "target",
    hostilePort === undefined ? relayUrl : `http://127.0.0.1:${hostilePort}`,
  );
  if (hostilePort === undefined) await untilServed("target", [relay, target.client, target.service]);

  const victim = hostilePort === undefined ? relay : target.client;
  const socketsBefore = openSockets(victim.pid);
  const processes = [demo.client, demo.service, target.client, target.service, relay];
  const visitorArgs = [String(relayPort), ...(certificate === undefined ? [] : [certificate.cert])];
  const visitor = fork(script("honest-main"), visitorArgs);
  return {
    victim,
    attackPort: hostilePort ?? relayPort,
    honest: {
      async report() {
        visitor.send("report");
        const [report] = (await Promise.race([
          once(visitor, "message"),
          ...processes.map((child) => child.failed),
        ])) as [HonestReport];
        return report;
      },
    },
    async limits() {
      const options = { headers: { connection: "close" }, signal: AbortSignal.timeout(maxAdminMs) };
      try {
        const answer = await fetch(`http://127.0.0.1:${adminPort}/metrics`, options);
        const hits = (await answer.text()).matchAll(/^mcp_tunnel_limits_hit_total\{limit="(\w+)"\} (\d+)$/gm);
        return new Map([...hits].map(([, limit = "", count]) => [limit, Number(count)]));
      } catch {
        return undefined;
      }
    },
    async end() {
      visitor.kill("SIGKILL");
      const deadline = performance.now() + maxSocketsMs;
      while (openSockets(victim.pid) > socketsBefore && performance.now() < deadline) await delay(100);
      const socketsLeft = openSockets(victim.pid);
      const signalledAtMs = performance.now();
      const isEnded = await victim.stop(maxEndMs);
      return {
        socketsBefore,
        socketsLeft,
        endedAfterMs: isEnded ? performance.now() - signalledAtMs : undefined,
      };
    },
    async stop() {
      visitor.kill("SIGKILL");
      for (const child of processes) await child.stop();
    },
  };
}

/** The attacker's report. */
export interface AttackerReport {
  readonly attempts: number;
  /** Things that should have gone well and did not, as far as only the attacker can tell. */
  readonly failures: Record<string, number>;
}

/** Runs the attack in a process of its own. */
export async function runAttacker(attack: Attack, port: number, seconds: number): Promise<AttackerReport> {
  const attacker = fork(script("attacker-main"), [attack.name, String(port), String(seconds)]);
  const exited = once(attacker, "exit");
  const told = new Promise<AttackerReport>((resolve, reject) => {
    attacker.once("message", (message) => resolve(message as AttackerReport));
    attacker.once("exit", (code) => reject(new Error(`the attacker ended with ${code}`)));
  });
  const report = await told;
  // The attack is over, but its connections may take their time to close.
  attacker.kill("SIGKILL");
  await exited;
  return report;
}
