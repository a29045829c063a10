import type { EventEmitter } from "node:events";
import type { Logger } from "mcp-tunnel-protocol";
import { stackOf } from "mcp-tunnel-shared";
import { runAside } from "./aside.js";
import { logEvent } from "./event-log.js";
import type { ClientEvents } from "./events.js";
import type { Exchange } from "./service/exchange.js";
import type { ExchangesListener } from "./service/exchanges.js";
import { RequestEnd, RequestStart } from "./service/request-events.js";

/**
 * Tells a program what its client does, by events and by its logger. What listeners and the logger throw
 * becomes an uncaught exception of its own, and breaks nothing here.
 */
export class Telling implements ExchangesListener {
  readonly #emitter: EventEmitter<ClientEvents>;
  readonly #logger: Logger | undefined;

  constructor(emitter: EventEmitter<ClientEvents>, logger: Logger | undefined) {
    this.#emitter = emitter;
    this.#logger = logger;
  }

  tell<Name extends keyof ClientEvents>(name: Name, ...args: ClientEvents[Name]): void {
    const logger = this.#logger;
    if (logger !== undefined) runAside(() => logEvent(logger, name, args));
    const untyped: EventEmitter = this.#emitter;
    if (this.#emitter.listenerCount(name) > 0) runAside(() => untyped.emit(name, ...args));
  }

  /** Something that is no event, for the log alone. */
  note(fields: object, message: string): void {
    runAside(() => this.#logger?.debug(fields, message));
  }

  /** Code of the user's has thrown. */
  fault(error: unknown): void {
    this.tell("fault", { code: "internal", message: stackOf(error) });
  }

  // Each request passes here, and mostly nobody is told of it.

  onBegin(exchange: Exchange): void {
    if (this.#isHeard("requestStart")) this.tell("requestStart", new RequestStart(exchange));
  }

  onOver(exchange: Exchange): void {
    if (this.#isHeard("request")) this.tell("request", new RequestEnd(exchange));
    const { error } = exchange;
    if (error !== undefined && error.code !== "cancelled" && error.code !== "session_lost") {
      this.tell("fault", { code: error.code, message: error.message });
    }
  }

  #isHeard(name: keyof ClientEvents): boolean {
    return this.#logger !== undefined || this.#emitter.listenerCount(name) > 0;
  }
}
