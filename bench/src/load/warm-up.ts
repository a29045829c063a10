import type { Endpoint } from "../endpoint.js";
import { smallPath } from "../upstreams/static.js";
import { wrk } from "./wrk.js";

/**
 * Our tunnels have their clients in four processes (systems/shares.ts), and each of them needs some five
 * thousand requests until V8 has compiled what they use (measured). Every system gets as many.
 */
const requests = 40_000;
const turnSeconds = 2;

/**
 * Warms a system with many tunnels up. It is told a number of requests and no time: a busy machine serves a
 * fifth of them in the same time, and would measure how code is compiled.
 */
export async function warmUpTunnels(endpoint: Endpoint, folder: string): Promise<void> {
  const request = { path: smallPath, hosts: endpoint.hosts };
  for (let served = 0; served < requests; ) {
    served += (await wrk(endpoint, request, 64, turnSeconds, folder)).requests;
  }
}
