import { createAuthority, createFolder } from "../../support/certificates.js";

/** What a relay for the domain `localhost` needs to speak TLS, and others to believe it. */
export interface Identity {
  readonly files: { cert: string; key: string };
  /** For the relay command. */
  readonly relayArgs: readonly string[];
  /** The authority's certificate, as it is and as a file. */
  readonly ca: string;
  readonly caFile: string;
  close(): void;
}

export async function createIdentity(): Promise<Identity> {
  const authority = await createAuthority();
  const folder = createFolder();
  // Node takes no certificate for `*.localhost`.
  const pair = await authority.issue(["demo.localhost", "localhost", "127.0.0.1"]);
  const files = { cert: folder.write("relay.pem", pair.cert), key: folder.write("relay.key", pair.key) };
  return {
    files,
    relayArgs: ["--tls-cert", files.cert, "--tls-key", files.key],
    ca: authority.cert,
    caFile: folder.write("ca.pem", authority.cert),
    close: () => folder.close(),
  };
}
