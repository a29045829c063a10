import { X509Certificate } from "node:crypto";
import { messageOf } from "mcp-tunnel-shared";
import { type Examination, failed, type Finding, ok, skipped, warning } from "mcp-tunnel-shared/command";
import { Certificate } from "../../tls/certificate.js";
import { resolveAcmeOptions } from "../../tls/acme/options.js";
import { FolderStore } from "../../tls/acme/folder-store.js";
import { tlsOptionsOf } from "../options/tls-options.js";
import { certificateBlocks, type Subject } from "./surroundings.js";

const dayMs = 86_400_000;
/** A certificate that has less time left should have been renewed: authorities advise a month. */
const soonMs = 14 * dayMs;

/** The certificates that the relay serves, in their files. Nothing, if it serves none. */
export function certificateExaminations(subject: Subject): Examination[] {
  const { options, domain, surroundings } = subject;
  // Mistakes in these options are another examination's.
  if ((options.tlsCert ?? []).length === 0 && options.acmeHook === undefined) return [];
  const all: Certificate[] = [];
  return [
    {
      id: "certificate-key",
      title: "certificate and key",
      examine: async () => {
        const tls = tlsOptionsOf(options);
        for (const files of tls?.files ?? []) {
          try {
            all.push(Certificate.readSync(files));
          } catch (error) {
            return failed(
              messageOf(error),
              "Give --tls-cert the certificate with its chain, and --tls-key its key in the same order, both as PEM.",
            );
          }
        }
        if (tls?.acme !== undefined && options.cluster === undefined) {
          const { storage, directory } = resolveAcmeOptions(tls.acme);
          const stored = await new FolderStore({ storage, directory }).certificate(domain);
          if (stored !== undefined) all.push(stored);
        }
        if (all.length > 0) return ok("each certificate can be read, and its key is its own");
        if (options.cluster !== undefined) {
          return skipped(
            "the cluster keeps the certificate: what a relay that runs shows is looked at below",
          );
        }
        return warning(
          "ACME has not brought a certificate yet",
          "The relay asks for one when it starts. If it runs, its log says why there is none.",
        );
      },
    },
    {
      id: "certificate-names",
      title: "certificate's names",
      needs: ["certificate-key"],
      examine: () => names(domain, all),
    },
    {
      id: "certificate-chain",
      title: "certificate's chain",
      needs: ["certificate-key"],
      examine: () => firstProblem(all, (certificate) => chain(certificate, surroundings.roots)),
    },
    {
      id: "certificate-expiry",
      title: "certificate's dates",
      needs: ["certificate-key"],
      examine: () => firstProblem(all, (certificate) => dates(certificate, surroundings.now())),
    },
  ];
}

function firstProblem(all: readonly Certificate[], look: (certificate: Certificate) => Finding): Finding {
  const findings = all.map(look);
  return (
    findings.find(({ verdict }) => verdict === "failed") ??
    findings.find(({ verdict }) => verdict === "warning") ??
    findings[0] ??
    ok("there is none to look at yet")
  );
}

function names(domain: string, all: readonly Certificate[]): Finding {
  if (all.length === 0) return ok("there is none to look at yet");
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

/** The chain as clients follow it: each certificate is signed by the next, and the last by an authority. */
function chain({ cert }: Certificate, roots: readonly string[]): Finding {
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

function dates({ notBefore, notAfter }: Certificate, now: number): Finding {
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
