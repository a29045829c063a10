import { readFileSync } from "node:fs";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import { optionKey, sourceName } from "mcp-tunnel-shared/command";
import type { OptionValues } from "mcp-tunnel-shared/command";
import { checkCertificates } from "mcp-tunnel-client/options";
import { isOfTunnel } from "./flags.js";

/**
 * The certificates in the file that the option `name` has, to be believed at `url`; undefined for none. The
 * option has no effect at a URL without TLS. That is a mistake if it was given for this tunnel alone:
 * variables and the defaults of a config file are often set once for several.
 * @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read.
 */
export function readCertificates(
  values: OptionValues,
  name: string,
  url: { readonly isSecure: boolean; readonly shown: string },
): string | undefined {
  const file = values.getOptionValue(optionKey(name)) as string | undefined;
  if (file === undefined) return undefined;
  if (!url.isSecure) {
    if (!isOfTunnel(values, name)) return undefined;
    throw unusable(`--${name} has no effect with ${url.shown}, which has no TLS`, { options: [name] });
  }
  const source = sourceName(values, name);
  let pem: string;
  try {
    pem = readFileSync(file, "latin1");
  } catch (error) {
    const message = `cannot read ${source}: ${messageOf(error)}`;
    throw new TunnelError("unavailable", message, { cause: error, options: [name], file });
  }
  try {
    checkCertificates(pem, source);
  } catch (error) {
    const message = `${messageOf(error)}: ${file}`;
    throw unusable(message, { cause: error, options: [name], file });
  }
  return pem;
}
