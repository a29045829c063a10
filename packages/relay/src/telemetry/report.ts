import { printable, stackOf } from "mcp-tunnel-shared";
import type { Logger } from "./log.js";

/** Logs an error that should not have been thrown, with its stack. */
export function reportFault(logger: Logger, name: string | undefined, error: unknown): void {
  logger.error(
    { name: name === undefined ? undefined : printable(name), error: stackOf(error) },
    "an exchange failed inside the relay",
  );
}
