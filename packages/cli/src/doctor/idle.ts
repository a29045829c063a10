import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "mcp-tunnel-shared";
import { failed, ok } from "mcp-tunnel-shared/command";
import type { Finding } from "mcp-tunnel-shared/command";
import type { Probes } from "./probes.js";
import { openAnswer } from "./visit.js";
import type { Way } from "./way.js";
import { echo, openWebSocket } from "./web-socket.js";

/** How long what is sent after the silence may take, in milliseconds. */
export const wakeLimitMs = 10_000;

/**
 * An event stream and a WebSocket through the public URL that say nothing for a while, both at once and
 * beside the other examinations. Proxies cut such connections, some of them without a word.
 */
export class IdleWatch {
  readonly idleMs: number;
  readonly startedAtMs = performance.now();
  readonly #cut = new AbortController();
  readonly #faults: Promise<readonly (string | undefined)[]>;

  constructor(publicUrl: URL, way: Way, probes: Probes, idleMs: number) {
    this.idleMs = idleMs;
    const { signal } = this.#cut;
    this.#faults = Promise.all([
      this.#fault("the event stream", watchStream(publicUrl, way, probes, idleMs, signal)),
      this.#fault("the WebSocket", watchSocket(publicUrl, way, probes, idleMs, signal)),
    ]);
  }

  /** How long it takes from now on, in milliseconds. */
  get leftMs(): number {
    return Math.max(0, this.idleMs - (performance.now() - this.startedAtMs));
  }

  async finding(): Promise<Finding> {
    const faults = (await this.#faults).filter((fault) => fault !== undefined);
    const seconds = Math.round(this.idleMs / 1_000);
    if (faults.length === 0) return ok(`an event stream and a WebSocket survive ${seconds} s of silence`);
    return failed(
      faults.join("; "),
      "A proxy in front of the relay, or on the visitors' way, cuts silent connections: raise its limit (nginx: " +
        "proxy_read_timeout and proxy_send_timeout 1h). Services can send a comment or a ping now and then.",
    );
  }

  close(): void {
    this.#cut.abort();
  }

  async #fault(what: string, watching: Promise<void>): Promise<string | undefined> {
    try {
      await watching;
      return undefined;
    } catch (error) {
      const seconds = Math.round((performance.now() - this.startedAtMs) / 1_000);
      return `${what} was gone after ${seconds} s (${messageOf(error)})`;
    }
  }
}

async function watchStream(
  publicUrl: URL,
  way: Way,
  probes: Probes,
  idleMs: number,
  signal: AbortSignal,
): Promise<void> {
  const question = { method: "GET", path: `${probes.prefix}/idle` };
  const response = await openAnswer(publicUrl, way, question, signal);
  const ended = endOf(response);
  await Promise.race([nextEvent(response, signal), ended]);
  await Promise.race([delay(idleMs, undefined, { signal }), ended]);
  const next = nextEvent(response, signal);
  probes.wake();
  await Promise.race([next, ended]);
  response.destroy();
}

async function nextEvent(response: IncomingMessage, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.timeout(wakeLimitMs);
  try {
    await once(response, "data", { signal: AbortSignal.any([signal, limit]) });
  } catch (error) {
    if (!limit.aborted) throw error;
    throw new Error(`no event came within ${wakeLimitMs / 1_000} s`, { cause: error });
  }
}

/** Rejects when the answer ends. */
function endOf(response: IncomingMessage): Promise<never> {
  const ended = new Promise<never>((_, reject) => {
    response.once("close", () => reject(new Error("the connection was closed")));
    response.on("error", reject);
  });
  ended.catch(() => {});
  return ended;
}

async function watchSocket(
  publicUrl: URL,
  way: Way,
  probes: Probes,
  idleMs: number,
  signal: AbortSignal,
): Promise<void> {
  const socket = await openWebSocket(publicUrl, `${probes.prefix}/echo`, way, signal);
  const closed = once(socket, "close").then(([code]) => {
    throw new Error(`closed with code ${code}`);
  });
  closed.catch(() => {});
  await Promise.race([delay(idleMs, undefined, { signal }), closed]);
  await echo(socket, "after a silence", AbortSignal.any([signal, AbortSignal.timeout(wakeLimitMs)]));
  socket.close();
}
