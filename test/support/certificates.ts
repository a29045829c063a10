import { randomBytes } from "node:crypto";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";

// The global `crypto`: Node's module has types of its own for the same thing.
x509.cryptoProvider.set(crypto);

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const dayMs = 86_400_000;

/** A certificate and its key as PEM. */
export interface Pair {
  cert: string;
  key: string;
}

/** A certification authority of the test's own. */
export interface Authority {
  /** The authority's certificate as PEM: for `ca` and for NODE_EXTRA_CA_CERTS. */
  readonly cert: string;
  /**
   * Makes a certificate for the names, of a server or a client, valid from yesterday on, for 30 days unless
   * `days` gives another number. `inDays`: from another day on. `issuerAt`: the URL of the authority's
   * certificate, as public authorities write it into theirs.
   */
  issue(names: readonly string[], options?: IssueOptions): Promise<Pair>;
}

interface IssueOptions {
  days?: number;
  inDays?: number;
  issuerAt?: string;
}

export async function createAuthority(): Promise<Authority> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const name = "CN=Test authority";
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    keys,
    signingAlgorithm: algorithm,
    ...validity(30),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  return {
    cert: ca.toString("pem"),
    async issue(names, options = {}) {
      const leafKeys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const leaf = await x509.X509CertificateGenerator.create({
        serialNumber: randomBytes(8).toString("hex"),
        subject: `CN=${names[0]}`,
        issuer: name,
        publicKey: leafKeys.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        ...validity(options.days ?? 30, options.inDays),
        extensions: [
          ...(options.issuerAt === undefined
            ? []
            : [new x509.AuthorityInfoAccessExtension({ caIssuers: options.issuerAt })]),
          new x509.SubjectAlternativeNameExtension(
            names.map((value): x509.JsonGeneralName => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
          ),
          new x509.ExtendedKeyUsageExtension([
            x509.ExtendedKeyUsage.serverAuth,
            x509.ExtendedKeyUsage.clientAuth,
          ]),
        ],
      });
      const pkcs8 = await crypto.subtle.exportKey("pkcs8", leafKeys.privateKey);
      return { cert: `${leaf.toString("pem")}\n`, key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY") };
    },
  };
}

/** A certificate that has signed itself. */
export async function createSelfSigned(name: string): Promise<Pair> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: algorithm,
    ...validity(30),
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: "dns", value: name }])],
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { cert: `${certificate.toString("pem")}\n`, key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY") };
}

function validity(days: number, inDays = -1): { notBefore: Date; notAfter: Date } {
  const from = Date.now() + inDays * dayMs;
  return { notBefore: new Date(from), notAfter: new Date(from + days * dayMs) };
}

/** A temporary folder. `close` removes it. */
export interface Folder {
  readonly path: string;
  /** Writes a file into the folder and returns its path. */
  write(name: string, content: string): string;
  close(): void;
}

export function createFolder(): Folder {
  // macOS has its temporary folder behind a link, and Windows by a short name.
  const path = mkdtempSync(join(realpathSync.native(tmpdir()), "mcp-tunnel-test-"));
  return {
    path,
    write(name, content) {
      const file = join(path, name);
      writeFileSync(file, content);
      return file;
    },
    // Windows does not remove what a process that is just ending has open.
    close: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}
