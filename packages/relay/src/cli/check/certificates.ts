import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { TunnelError } from "mcp-tunnel-protocol";
import { failed, type Finding, Mistakes, ok, warning } from "mcp-tunnel-shared/command";
import { Certificate, type CertificateFiles } from "../../tls/certificate.js";

const dayMs = 86_400_000;
/** A certificate that has less time left should have been renewed: authorities advise a month. */
const soonMs = 14 * dayMs;

/** The certificates in files, each with its own, and the mistakes in the others. */
export function readCertificates(files: readonly CertificateFiles[]): {
  readonly read: readonly { readonly certificate: Certificate; readonly files: CertificateFiles }[];
  readonly mistakes: readonly TunnelError[];
} {
  const mistakes = new Mistakes(TunnelError);
  const read = files.flatMap((pair) => {
    const certificate = mistakes.attempt(() => Certificate.readSync(pair));
    return certificate === undefined ? [] : [{ certificate, files: pair }];
  });
  return { read, mistakes: mistakes.all };
}

/** Whether there is a certificate for the domain, and one for all names below it. */
export function namesFinding(domain: string, all: readonly Certificate[]): Finding {
  const wanted = [domain, `*.${domain}`];
  const missing = wanted.filter(
    (name) => !all.some((certificate) => certificate.covers(name.replace("*", "any-name"), true)),
  );
  if (missing.length === 0) return ok(`it is for ${wanted.join(" and ")}`);
  // Node.js and OpenSSL take `*.name` for no name at all, since it might be a whole top-level domain.
  if (!domain.includes(".") && !missing.includes(domain)) {
    return failed(
      `no program takes *.${domain} for a wildcard, because ${domain} has no dot`,
      `Choose a domain with a dot, such as tunnel.${domain}, or leave TLS out.`,
    );
  }
  const there = all.map(({ leaf }) => leaf.subjectAltName ?? "no name at all").join("; ");
  return failed(
    `no certificate is for ${missing.join(" or ")}; there is: ${there}`,
    `Get one for both ${domain} and *.${domain}. Authorities give out a wildcard for a DNS record (DNS-01), not over HTTP.`,
  );
}

/**
 * The chain as clients follow it: each certificate is signed by the next, and the last by an authority.
 * `roots`: the authorities that are trusted, each as PEM.
 */
export function chainFinding({ cert }: Certificate, roots: readonly string[]): Finding {
  const certificates = certificateBlocks(cert).map((pem) => new X509Certificate(pem));
  let last = certificates[0] as X509Certificate;
  for (let next = issuerOf(last, certificates); next !== undefined && next !== last; ) {
    last = next;
    next = issuerOf(last, certificates);
  }
  const authorities = roots.map((pem) => new X509Certificate(pem));
  const root = issuerOf(last, authorities);
  if (root !== undefined) return ok(`it ends at an authority that Node.js trusts: ${nameOf(root.subject)}`);
  if (last.issuer === last.subject) {
    return warning(
      `it ends at ${nameOf(last.subject)}, which is signed by itself: browsers and MCP hosts do not trust it`,
      "Use a certificate of a public authority, or give that one to every client (NODE_EXTRA_CA_CERTS).",
    );
  }
  return failed(
    `the certificate of ${nameOf(last.issuer)} is missing behind it, and is not one that Node.js trusts by itself`,
    "Give --tls-cert the file with the intermediate certificates (certbot calls it fullchain.pem).",
  );
}

function issuerOf(
  certificate: X509Certificate,
  candidates: readonly X509Certificate[],
): X509Certificate | undefined {
  return candidates.find(
    (candidate) => certificate.checkIssued(candidate) && certificate.verify(candidate.publicKey),
  );
}

/** A distinguished name in a line. */
function nameOf(name: string): string {
  return `'${name.trim().replaceAll("\n", ", ")}'`;
}

/** `now`: milliseconds since 1970. */
export function datesFinding({ notBefore, notAfter }: Certificate, now: number): Finding {
  const [from, to] = [notBefore.getTime(), notAfter.getTime()];
  const days = (ms: number): string => `${Math.floor(ms / dayMs)} days`;
  if (from > now) {
    return failed(
      `it holds only from ${notBefore.toISOString()}`,
      "Look at this machine's clock: a new certificate holds at once.",
    );
  }
  if (to <= now) return failed(`it expired on ${notAfter.toISOString()}`, "Renew it.");
  const leftMs = to - now;
  if (leftMs < soonMs && leftMs < (to - from) / 4) {
    return warning(
      `it expires in ${days(leftMs)}, on ${notAfter.toISOString()}`,
      "Look whether its renewal works: it should have happened by now.",
    );
  }
  return ok(`it holds for another ${days(leftMs)}`);
}

/**
 * Whether the certificate stands alone in its file, and an intermediate one has signed it, as far as the file
 * tells: public authorities write into a certificate where that of its issuer is.
 */
export function seemsWithoutChain({ cert, leaf }: Certificate): boolean {
  const isAlone = certificateBlocks(cert).length === 1 && leaf.issuer !== leaf.subject;
  return isAlone && (leaf.infoAccess ?? "").includes("CA Issuers");
}

/** The certificates in a PEM text, one by one. */
export function certificateBlocks(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/** The authorities that this process trusts, each as PEM. */
export function trustedRoots(): string[] {
  return [...rootCertificates, ...extraRoots()];
}

/** Node adds these to its own authorities (NODE_EXTRA_CA_CERTS), unless they cannot be read. */
function extraRoots(): string[] {
  const path = process.env["NODE_EXTRA_CA_CERTS"];
  if (path === undefined) return [];
  try {
    return certificateBlocks(readFileSync(path, "utf8"));
  } catch {
    return [];
  }
}
