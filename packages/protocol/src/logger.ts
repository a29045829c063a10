import { objectWith } from "./option-shapes.js";

/**
 * Where a relay, a client or a cluster tells what it does. A pino logger is one. Fields come first, then a
 * constant message. Fields may hold a stranger's words, so a logger that writes where a terminal may show
 * them has to escape control characters.
 */
export interface Logger {
  /** Details, for whoever looks for a fault. */
  debug(fields: object, message: string): void;
  /** Something that happens in the normal course. */
  info(fields: object, message: string): void;
  /** Something that the operator should look at. */
  warn(fields: object, message: string): void;
  /** Something that does not work. */
  error(fields: object, message: string): void;
}

/** What the option `logger` has to be. */
export const loggerShape = objectWith<Logger>(["debug", "info", "warn", "error"]);

/** The logger of whoever was given none. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
