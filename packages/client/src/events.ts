import { EventEmitter } from "node:events";
import type { ResetCode, TunnelError, Wire } from "mcp-tunnel-protocol";
import { runAside } from "./aside.js";
import type { RefusedEvent } from "./refusals.js";
import type { RequestEvent } from "./service/observer.js";
import type { ClientWarning } from "./service/service.js";

/**
 * What a {@link TunnelClient} tells, by event name. Texts are as the relay, visitors and the local service said them: control
 * characters in them are for the listener to escape, before a terminal obeys them.
 */
export interface ClientEvents {
  /** Registered. `resumed`: what was open before goes on; false for the first time and for a new session. */
  connected: [{ url: string; subdomain: string; wire: Wire; resumed: boolean }];
  /** The connection to the relay is gone. Not told of a relay that shuts down and is succeeded by another in time. */
  disconnected: [{ cause: TunnelError }];
  /**
   * Another attempt follows after `delayMs`; `attempt` counts from 1 since the last stable connection. With a `cause`
   * of the code `draining` nothing is lost yet: the relay is shutting down and still serves.
   */
  reconnecting: [{ attempt: number; delayMs: number; cause: TunnelError }];
  /** Another client has taken the name. `closed` follows. */
  evicted: [{ reason: string }];
  /** An exchange has ended. */
  request: [RequestEvent];
  /**
   * The relay has answered requests in the tunnel's name, or cut answers, because of a limit of its own or
   * because this client was away. Each event stands for all of a kind; there are at most 32 kinds, and one
   * event for each in a second. A request that had reached this client before has its `request` as well.
   * Older relays say nothing.
   */
  refused: [RefusedEvent];
  /**
   * Something went wrong that does not end the client: the local service cannot be reached, a request handler
   * threw (`internal`, with its stack). Need not be listened to.
   */
  error: [{ code: ResetCode; message: string }];
  /**
   * Something works differently through the tunnel, and a setting of the service or an option of the client
   * mends it. Each code is told once. `signed_metadata`: its OAuth metadata names the local origin and cannot
   * be rewritten. `redirects_to_https`: it redirects visitors to the URL that they asked for.
   */
  warning: [ClientWarning];
  /** Over for good, and why if it was not asked to. */
  closed: [{ error: TunnelError | undefined }];
}

/** An emitter that neither demands a listener for `error` nor lets a listener break what it listens to. */
export class ClientEmitter {
  readonly #emitter = new EventEmitter();

  on<Name extends keyof ClientEvents>(name: Name, listener: (...args: ClientEvents[Name]) => void): void {
    this.#emitter.on(name, listener);
  }

  off<Name extends keyof ClientEvents>(name: Name, listener: (...args: ClientEvents[Name]) => void): void {
    this.#emitter.off(name, listener);
  }

  emit<Name extends keyof ClientEvents>(name: Name, ...args: ClientEvents[Name]): void {
    if (this.#emitter.listenerCount(name) > 0) runAside(() => this.#emitter.emit(name, ...args));
  }
}
