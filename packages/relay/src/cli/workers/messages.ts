import type { TunnelErrorCode } from "mcp-tunnel-protocol";
import type { MetricData } from "../../admin/metrics.js";
import type { FoundTunnels, OwnFacts } from "../../admin/source.js";
import type { HostPort } from "../../net/host-port.js";
import type { LogFormat } from "../../telemetry/log.js";
import type { InheritedSockets } from "../options/activation.js";

// What the first process, the primary, and its workers say to one another over the channel that node:cluster
// gives them. Both are the same program, so a message is taken for what it should be.

/** What a worker has in common with the others, or is told because it has no way to know it. */
export interface WorkerSetup {
  /** From 1. The first orders the certificates by ACME. The others take what it has stored. */
  readonly worker: number;
  readonly logFormat: LogFormat;
  readonly sockets: InheritedSockets;
  /** The place among the workers; `undefined` if they meet in a cluster of Redis. */
  readonly place: { readonly engine: string; readonly socket: string; readonly secret: string } | undefined;
}

/** What an operator asks of a worker, and the answers. */
export interface WorkerAnswers {
  state: OwnFacts["state"] & { readonly unreadiness: string | undefined };
  facts: OwnFacts;
  /** The worker has read its files again. */
  reload: null;
  /** The tunnels of all relays. */
  tunnels: FoundTunnels;
  ownTunnels: FoundTunnels["tunnels"];
  /** Closes a tunnel at whatever relay it is. */
  disconnect: { readonly relays: readonly string[]; readonly silent: readonly string[] };
  metrics: MetricData[];
}

export type WorkerQuestion =
  | { readonly about: Exclude<keyof WorkerAnswers, "disconnect"> }
  | { readonly about: "disconnect"; readonly name: string };

/** From the primary. `begin` answers `hello`, and `listen` follows when all are `prepared`. */
export type ToWorker =
  | { readonly kind: "begin"; readonly setup: WorkerSetup }
  | { readonly kind: "listen" }
  /** Says in the log that the relay listens, for all workers. */
  | ({ readonly kind: "announce" } & HostPort)
  | { readonly kind: "reload" }
  | { readonly kind: "close"; readonly graceMs: number }
  /** Nothing is open at any worker, so each may end. */
  | { readonly kind: "end" }
  | { readonly kind: "ask"; readonly id: number; readonly question: WorkerQuestion };

/** From a worker. */
export type FromWorker =
  /** It hears the primary from now on. node:cluster would lose what was said before. */
  | { readonly kind: "hello" }
  /** `reads`: there are files to read again. */
  | { readonly kind: "prepared"; readonly reads: boolean }
  | ({ readonly kind: "listening" } & HostPort)
  /** It cannot start. `code`: of a TunnelError; without one, the options are right. */
  | { readonly kind: "failed"; readonly code: TunnelErrorCode | undefined; readonly message: string }
  /** It drains, and nothing is open at it. */
  | { readonly kind: "idle" }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "answer"; readonly id: number; readonly error: string };
