import { type Examination, type Finding, ok, skipped, warning } from "mcp-tunnel-shared/command";
import type { Certificate } from "../../tls/certificate.js";
import { resolveAcmeOptions } from "../../tls/acme/options.js";
import { FolderStore } from "../../tls/acme/folder-store.js";
import { chainFinding, datesFinding, namesFinding, readCertificates } from "../check/certificates.js";
import { findingOf } from "../check/findings.js";
import { problemOf } from "../options/problems.js";
import { tlsOptionsOf } from "../options/tls-options.js";
import type { Subject } from "./surroundings.js";

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
        const { read, mistakes } = readCertificates(tls?.files ?? []);
        const advice =
          "Give --tls-cert the certificate with its chain, and --tls-key its key in the same order, both as PEM.";
        const fault = findingOf(mistakes.map((mistake) => ({ ...problemOf(mistake), advice })));
        if (fault !== undefined) return fault;
        all.push(...read.map(({ certificate }) => certificate));
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
      examine: () => (all.length === 0 ? ok("there is none to look at yet") : namesFinding(domain, all)),
    },
    {
      id: "certificate-chain",
      title: "certificate's chain",
      needs: ["certificate-key"],
      examine: () => worstOf(all.map((certificate) => chainFinding(certificate, surroundings.roots))),
    },
    {
      id: "certificate-expiry",
      title: "certificate's dates",
      needs: ["certificate-key"],
      examine: () => worstOf(all.map((certificate) => datesFinding(certificate, surroundings.now()))),
    },
  ];
}

function worstOf(findings: readonly Finding[]): Finding {
  return (
    findings.find(({ verdict }) => verdict === "failed") ??
    findings.find(({ verdict }) => verdict === "warning") ??
    findings[0] ??
    ok("there is none to look at yet")
  );
}
