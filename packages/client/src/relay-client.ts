import { type ClientPackage, registrationPath } from "mcp-tunnel-protocol";

/** The package of the client that the relay serves. */
export interface RelayClient {
  /** The version of the package. */
  readonly version: string;
  /** The package, behind the URL by which this client has reached the relay. */
  readonly url: string;
}

/**
 * Whether the relay may name a package. Over a plain connection anybody on the way could name another one,
 * and serve it.
 */
export function takesPackage(registerUrl: string): boolean {
  return registerUrl.startsWith("wss:");
}

/** Where the package is. The relay gives a path alone, so it can name no other host. */
export function relayClient(registerUrl: string, given: ClientPackage | undefined): RelayClient | undefined {
  if (given === undefined || !takesPackage(registerUrl)) return undefined;
  const relayUrl = `https${registerUrl.slice("wss".length, -registrationPath.length)}`;
  return { version: given.version, url: `${relayUrl}${given.path}` };
}
