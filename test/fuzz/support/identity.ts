import { createAuthority, createFolder } from "../../support/certificates.js";

/** The files for a relay that speaks TLS for the domain `localhost`, and for peers that trust it. */
export interface Identity {
  readonly files: { cert: string; key: string };
  /** The options of the relay command. */
  readonly relayArgs: readonly string[];
  /** The authority's certificate: `ca` as text, `caFile` as a file. */
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
