import type { Endpoint } from "../endpoint.js";
import { smallPath } from "../upstreams/static.js";
import { wrk } from "./wrk.js";

/**
 * With one tunnel: V8 has compiled what a relay, a client and another relay between them use for a request
 * (measured).
 */
const requestsOfOne = 20_000;
/**
 * Our tunnels have their clients in four processes (systems/shares.ts), and each of them needs some five
 * thousand requests until V8 has compiled what they use (measured). Every system gets as many.
 */
const requestsOfMany = 40_000;
const turnSeconds = 2;

/**
 * Warms a system up. It is told a number of requests and no time: a busy machine serves a fifth of them in
 * the same time, and would measure how code is compiled.
 */
export async function warmUp(endpoint: Endpoint, folder: string): Promise<void> {
  const { hosts } = endpoint;
  const wanted = hosts === undefined ? requestsOfOne : requestsOfMany;
  for (let served = 0; served < wanted; ) {
    served += (await wrk(endpoint, { path: smallPath, hosts }, 64, turnSeconds, folder)).requests;
  }
}
