import { request } from "node:http";
import { request as requestSecurely } from "node:https";
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
  /** The processes between the load and the upstream, whose CPU time and memory count. */
  readonly processes: readonly Child[];
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
