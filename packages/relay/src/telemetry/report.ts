import { printable } from "mcp-tunnel-shared";
import type { Logger } from "./log.js";

/** Logs what should not have been thrown, with where it came from. */
export function reportFault(logger: Logger, name: string | undefined, error: unknown): void {
  const stack = error instanceof Error ? error.stack : String(error);
  logger.error(
    { name: name === undefined ? undefined : printable(name), error: stack },
    "an exchange failed inside the relay",
  );
}
