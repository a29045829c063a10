import { type Logger, printable } from "../log.js";
import type { RelayObserver } from "../observer.js";

/** One line per exchange. Header fields and queries stay out of it: they hold tokens and cookies. */
export function accessLog(logger: Logger): RelayObserver {
  return {
    onEnd(exchange) {
      logger.info(
        {
          name: exchange.name === undefined ? undefined : printable(exchange.name),
          method: exchange.method,
          path: printable(exchange.path),
          status: exchange.status,
          bytes: exchange.responseBytes,
          requestBytes: exchange.requestBytes,
          durationMs: Math.round(exchange.durationMs * 10) / 10,
          outcome: exchange.outcome,
          reason: exchange.reason === undefined ? undefined : printable(exchange.reason),
          address: printable(exchange.address),
          wire: exchange.wire,
        },
        "request",
      );
    },
  };
}
