import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Child, freePort, startChild } from "../child.js";
import { untilServing } from "../endpoint.js";
import { here } from "../systems/mcp-tunnel.js";
import type { Attack } from "./attacks.js";
import type { HonestReport } from "./honest-main.js";

/**
 * The relay as a user would start it, with two tunnels: `target`, which is attacked, and `demo`, which an honest visitor uses. Each
 * has a client and a service of its own, and everything is a process.
 */
export interface Scene {
  readonly relay: Child;
  readonly relayPort: number;
  readonly honest: HonestVisitor;
  /** How often each limit took effect so far. */
  limits(): Promise<Map<string, number>>;
  stop(): Promise<void>;
}

export interface HonestVisitor {
  /** How it went since the last time; waits for what is open. */
  report(): Promise<HonestReport>;
}

const script = (name: string): string => fileURLToPath(new URL(`${name}.js`, import.meta.url));

export async function startScene(attack: Attack | undefined, folder: string): Promise<Scene> {
  const [relayPort, adminPort] = [await freePort(), await freePort()];
  const relayArgs = [
    ...["--domain", "localhost", "--host", "127.0.0.1", "--port", relayPort],
    ...["--admin-listen", `127.0.0.1:${adminPort}`],
    // All are on loopback here, whose addresses are not counted otherwise.
    ...["--limit-exempt", "none"],
    ...(attack?.relayArgs ?? []),
  ];
  const relay = startChild("relay", process.execPath, [here.relay, ...relayArgs], folder);
  await untilServing({ port: relayPort, host: "localhost", processes: [relay] }, undefined);
  const ends: Child[] = [];
  for (const name of ["demo", "target"]) {
    const servicePort = await freePort();
    const service = startChild("service", process.execPath, [script("service-main"), servicePort], folder);
    const args = [servicePort, "--relay", `http://127.0.0.1:${relayPort}`, "--subdomain", name];
    const env = { MCP_TUNNEL_TOKEN: "the honest token" };
    const client = startChild("client", process.execPath, [here.client, ...args], folder, env);
    ends.push(client, service);
    const processes = [relay, client, service];
    await untilServing(
      { port: relayPort, host: `${name}.localhost`, processes },
      { path: "/small", status: 200 },
    );
  }
  const processes = [relay, ...ends];
  const visitor = fork(script("honest-main"), [String(relayPort)]);
  return {
    relay,
    relayPort,
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
      const answer = await fetch(`http://127.0.0.1:${adminPort}/metrics`);
      const hits = (await answer.text()).matchAll(/^mcp_tunnel_limits_hit_total\{limit="(\w+)"\} (\d+)$/gm);
      return new Map([...hits].map(([, limit = "", count]) => [limit, Number(count)]));
    },
    async stop() {
      visitor.kill("SIGKILL");
      for (const child of [...ends, relay]) await child.stop();
    },
  };
}

/** Runs the attack in a process of its own. Returns how often it tried what it does. */
export async function runAttacker(attack: Attack, port: number, seconds: number): Promise<number> {
  const attacker = fork(script("attacker-main"), [attack.name, String(port), String(seconds)]);
  const exited = once(attacker, "exit");
  const told = new Promise<number>((resolve, reject) => {
    attacker.once("message", (message) => resolve((message as { attempts: number }).attempts));
    attacker.once("exit", (code) => reject(new Error(`the attacker ended with ${code}`)));
  });
  const attempts = await told;
  // Its connections may take their time to close; they are over.
  attacker.kill("SIGKILL");
  await exited;
  return attempts;
}
