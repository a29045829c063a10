import type { TunnelError } from "mcp-tunnel-protocol";
import { normalizeDomain } from "../../tunnels/name.js";
import type { Certificate } from "../../tls/certificate.js";
import type { CliOptions } from "../options/options.js";
import { type OptionProblem, problemOf, problemsFrom } from "../options/problems.js";
import {
  chainFinding,
  datesFinding,
  namesFinding,
  readCertificates,
  seemsWithoutChain,
  trustedRoots,
} from "./certificates.js";

/**
 * What is wrong with the certificates in files, as visitors will see them. Of a certificate that is still to
 * come by ACME nothing is known. `missing`: files that cannot be read, which has been told.
 * `isWithoutDomain`: the domain cannot be read.
 */
export function certificateProblems(
  options: CliOptions,
  missing: readonly string[],
  isWithoutDomain: boolean,
): OptionProblem[] {
  const { tlsCert: certs = [], tlsKey: keys = [] } = options;
  if (certs.length !== keys.length || certs.length === 0) return [];
  const pairs = certs.map((cert, i) => ({ cert, key: keys[i] as string }));
  const readable = pairs.filter(({ cert, key }) => !missing.includes(cert) && !missing.includes(key));
  const { read, mistakes } = readCertificates(readable);
  const problems = mistakes.map(
    (mistake: TunnelError): OptionProblem => ({ ...problemOf(mistake), options: ["tls-cert"] }),
  );
  for (const { certificate, files } of read) {
    const isLogged = certificate.notAfter.getTime() <= Date.now();
    const about = { options: ["tls-cert"], file: files.cert, mayPass: true, isLogged };
    const findings = [datesFinding(certificate, Date.now())];
    if (seemsWithoutChain(certificate)) findings.push(chainFinding(certificate, trustedRoots()));
    for (const finding of findings) {
      problems.push(...problemsFrom({ ...finding, reason: `${files.cert}: ${finding.reason}` }, about));
    }
  }
  if (read.length === pairs.length && options.acmeEmail === undefined && !isWithoutDomain) {
    const all = read.map(({ certificate }) => certificate);
    const about = { options: ["tls-cert"], mayPass: true, isLogged: true };
    const domain = normalizeDomain(options.domain);
    const finding = namesFinding(domain, all);
    // Some tunnels can have their names spelled out.
    const verdict = finding.verdict === "failed" && servesSome(domain, all) ? "warning" : finding.verdict;
    problems.push(...problemsFrom({ ...finding, verdict }, about));
  }
  return problems;
}

/** Whether a certificate is for the domain, or for any name below it. */
function servesSome(domain: string, all: readonly Certificate[]): boolean {
  const names = all.flatMap(({ leaf }) => (leaf.subjectAltName ?? "").split(", "));
  return names.some((name) => name === `DNS:${domain}` || name.endsWith(`.${domain}`));
}
