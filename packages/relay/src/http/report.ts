import { type Logger, printable } from "../log.js";
import type { ExchangeRecord } from "../observer.js";
import type { ExchangeContext } from "./context.js";

/** Tells everybody of an exchange that is over. One who throws keeps nobody else from hearing. */
export function reportTo({ observers, options }: ExchangeContext, record: ExchangeRecord): void {
  for (const observer of observers) {
    try {
      observer.onEnd(record);
    } catch (error) {
      reportFault(options.logger, record.name, error);
    }
  }
}

/** Logs what should not have been thrown, with where it came from. */
export function reportFault(logger: Logger, name: string | undefined, error: unknown): void {
  const stack = error instanceof Error ? error.stack : String(error);
  logger.error(
    { name: name === undefined ? undefined : printable(name), error: stack },
    "an exchange failed inside the relay",
  );
}
