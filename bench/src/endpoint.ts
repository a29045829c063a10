import { request } from "node:http";
import { request as requestSecurely } from "node:https";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Child } from "./child.js";

/** Where a workload sends its requests. */
export interface Endpoint {
  readonly port: number;
  /** The Host field. It names the tunnel if there is one. */
  readonly host: string;
  /** The certificate authority that the load trusts, as PEM. Absent: the endpoint does not speak TLS. */
  readonly ca?: string | undefined;
  /** Fields that every request needs, besides Host. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What shows that it serves, if that is something else than for the upstream. */
  readonly ready?: Probe;
  /** The Host fields of its tunnels, if it has many. `host` is one of them. */
  readonly hosts?: readonly string[];
  /** The processes between the load and the upstream, whose CPU time and memory count. */
  readonly processes: readonly Child[];
  /** How many of the processes, from the first on, are the server that visitors reach. Default 1. */
  readonly servers?: number;
}

/** A GET and the status that means that the endpoint serves. */
export interface Probe {
  readonly path: string;
  readonly status: number;
}

/**
 * Waits until the probe succeeds through the endpoint or, without a probe, until the endpoint gives any
 * answer. Programs announce in many ways that they are ready; this check is the same for all of them.
 */
export async function untilServing(
  endpoint: Endpoint,
  probe: Probe | undefined,
  limitMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  let last = "no answer";
  while (Date.now() < deadline) {
    last = await Promise.race([
      statusOf(endpoint, probe?.path ?? "/"),
      ...endpoint.processes.map((child) => child.failed),
    ]);
    if (probe === undefined ? /^\d/.test(last) : last === String(probe.status)) return;
    await delay(50);
  }
  const names = endpoint.processes.map((child) => child.name).join(" and ");
  throw new Error(
    `${names || "the upstream"} did not serve ${probe?.path ?? "/"} within ${limitMs} ms: ${last}`,
  );
}

/** The same for each of its tunnels, some of them at a time. Many may take minutes on a busy machine. */
export async function untilAllServing(endpoint: Endpoint, probe: Probe | undefined): Promise<void> {
  const { hosts } = endpoint;
  if (hosts === undefined) return untilServing(endpoint, probe);
  const limitMs = 60_000 + hosts.length * 20;
  for (let i = 0; i < hosts.length; i += 50) {
    const some = hosts.slice(i, i + 50);
    await Promise.all(some.map((host) => untilServing({ ...endpoint, host }, probe, limitMs)));
  }
}

/** Waits until somebody listens at a port of loopback. For servers that do not speak HTTP. */
export async function untilListening(port: number, server: Child, limitMs = 10_000): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (Date.now() < deadline) {
    if (await Promise.race([isListening(port), server.failed])) return;
    await delay(50);
  }
  throw new Error(`${server.name} did not listen at port ${port} within ${limitMs} ms`);
}

/** Whether somebody listens at a port of loopback. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

function statusOf(endpoint: Endpoint, path: string): Promise<string> {
  return new Promise((resolve) => {
    const { port, host, ca } = endpoint;
    const headers = { host, ...endpoint.headers };
    const options = { host: "127.0.0.1", port, path, agent: false, headers, timeout: 2_000 };
    const req = ca === undefined ? request(options) : requestSecurely({ ...options, ca, servername: host });
    req.on("response", (res) => {
      resolve(String(res.statusCode));
      res.destroy();
    });
    req.on("timeout", () => req.destroy(new Error("no answer in 2 s")));
    req.on("error", (error) => resolve(error.message));
    req.end();
  });
}
