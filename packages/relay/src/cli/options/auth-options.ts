import type { Command } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { Mistakes, readSecret } from "mcp-tunnel-shared/command";
import type { Authenticator } from "../../auth/authenticator.js";
import { combinedAuthenticator } from "../../auth/combined.js";
import { tokenFileAuthenticator } from "../../auth/from-file.js";
import { openAuthenticator } from "../../auth/open.js";
import { parseStaticToken, staticAuthenticator } from "../../auth/static.js";
import type { Logger } from "../../telemetry/log.js";

/** The options about who may have which name. */
interface AuthCliOptions {
  staticToken?: string[];
  tokenFile?: string;
  authUrl?: string;
}

/**
 * What says who may have which name, as far as the options have it. All mistakes are told to `mistakes`.
 */
export function readAuthentication(
  command: Command,
  mistakes: Mistakes<TunnelError>,
): { readonly url: string; readonly secret: string } | undefined {
  const { staticToken = [], tokenFile, authUrl: url } = command.opts<AuthCliOptions>();
  const found = new Mistakes(TunnelError);
  const secret = found.attempt(() => readSecret(command, "auth-secret", TunnelError));
  const refuse = (message: string, options: readonly string[]): void =>
    mistakes.add(unusable(message, { options }));
  for (const mistake of found.all) mistakes.add(mistake);
  if (url === undefined) {
    if (secret !== undefined)
      refuse("--auth-secret is for --auth-url, which is not there", ["auth-secret", "auth-url"]);
    return undefined;
  }
  if (staticToken.length > 0)
    refuse("--static-token and --auth-url exclude each other", ["static-token", "auth-url"]);
  if (tokenFile !== undefined)
    refuse("--token-file and --auth-url exclude each other", ["token-file", "auth-url"]);
  if (secret === undefined && found.all.length === 0)
    refuse("--auth-url needs --auth-secret, which the provider checks", ["auth-url", "auth-secret"]);
  return secret === undefined ? undefined : { url, secret };
}

/**
 * @throws TunnelError `invalid_option`; `unavailable` when the file of tokens, or of a secret, cannot be
 * read.
 */
export async function authenticatorOf(command: Command, logger: Logger): Promise<Authenticator> {
  const mistakes = new Mistakes(TunnelError);
  const provider = readAuthentication(command, mistakes);
  mistakes.throwFirst();
  if (provider !== undefined) {
    const { providerAuthenticator } = await import("../../auth/provider.js");
    return providerAuthenticator({ ...provider, logger });
  }
  const { staticToken = [], tokenFile } = command.opts<AuthCliOptions>();
  const fixed = staticToken.length > 0 ? staticAuthenticator(staticToken.map(parseStaticToken)) : undefined;
  if (tokenFile === undefined) return fixed ?? openAuthenticator;
  const living = await tokenFileAuthenticator({ file: tokenFile, logger });
  return fixed === undefined ? living : combinedAuthenticator([fixed, living]);
}
