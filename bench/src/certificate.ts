import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";

/** The files of a self-signed certificate for this machine. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** Makes a certificate for `localhost`, these tunnels below it and loopback, valid for a day. */
export async function createCertificate(
  folder: string,
  tunnels: readonly string[],
): Promise<CertificateFiles> {
  // The global `crypto`: Node's module has types of its own for the same thing.
  x509.cryptoProvider.set(crypto);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const now = Date.now();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(8).toString("hex"),
    name: "CN=localhost",
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(now - 3_600_000),
    notAfter: new Date(now + 86_400_000),
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        // Each name is listed: Node takes no wildcard right below a name without a dot.
        ...["localhost", ...tunnels.map((name) => `${name}.localhost`)].map(
          (value) => ({ type: "dns", value }) as const,
        ),
        { type: "ip", value: "127.0.0.1" },
      ]),
    ],
  });
  // A relay reads its files anew when they change, so no two systems share them.
  const name = join(folder, `certificate-${certificate.serialNumber}`);
  const files = { cert: `${name}.pem`, key: `${name}.key` };
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  writeFileSync(files.cert, certificate.toString("pem"));
  writeFileSync(files.key, x509.PemConverter.encode(pkcs8, "PRIVATE KEY"));
  return files;
}
