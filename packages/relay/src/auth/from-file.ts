import { checkOptions, text } from "mcp-tunnel-protocol";
import { type Logger, loggerShape, silentLogger } from "../telemetry/log.js";
import type { Authenticator } from "./authenticator.js";

/** What {@link tokenFileAuthenticator} takes. */
export interface TokenFileOptions {
  /** The path of the file, which `mcp-tunnel token create` begins and keeps: see docs/deploy.md. */
  file: string;
  /** Is told when the file is read again, and what is wrong with it. Default: nothing is logged. */
  logger?: Logger;
}

const optionShapes = {
  file: text(),
  logger: loggerShape.optional(),
} satisfies Record<keyof TokenFileOptions, unknown>;

/**
 * Knows the tokens of a file, and follows the file: it looks at it twice a second, and on
 * {@link Relay.reload}. A token that is taken out, or expires, loses its tunnels. A file that is not usable
 * changes nothing: {@link Relay.stale} tells of it until it is usable again. The authenticator is for one
 * relay, which closes it at its end.
 * @throws TunnelError `invalid_option` when an option is wrong, or the file has mistakes, with their lines;
 * `unavailable` when the file cannot be read.
 */
export async function tokenFileAuthenticator(options: TokenFileOptions): Promise<Authenticator> {
  checkOptions(options, optionShapes);
  // Only who has such a file loads the library for YAML.
  const { TokenFileAuthenticator } = await import("./token-file.js");
  return await TokenFileAuthenticator.open(options.file, options.logger ?? silentLogger);
}
