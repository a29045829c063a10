import type { Certificate } from "./certificate.js";

/** A certificate in use, as the operator sees it. */
export interface CertificateStatus {
  /** The host names that it is for, and addresses. A wildcard is `*.example.com`. */
  readonly names: readonly string[];
  /** Who has issued it: the organisation and the name of the authority. */
  readonly issuer: string;
  /** From when on it is valid, in milliseconds since 1970. */
  readonly notBefore: number;
  /** When it expires, in milliseconds since 1970. */
  readonly notAfter: number;
  /** Whether it was read from files, or obtained by ACME. */
  readonly source: "files" | "acme";
  /** Why there is no newer one, if the last try to read or to renew it has failed. */
  readonly stale?: string;
}

/** `stale`: why there is no newer one; `undefined` if nothing is wrong. */
export function certificateStatus(
  { leaf, notBefore, notAfter }: Certificate,
  source: CertificateStatus["source"],
  stale: string | undefined,
): CertificateStatus {
  return {
    names: namesOf(leaf.subjectAltName ?? ""),
    issuer: issuerOf(leaf.issuer),
    notBefore: notBefore.getTime(),
    notAfter: notAfter.getTime(),
    source,
    ...(stale === undefined ? {} : { stale }),
  };
}

/**
 * The names in Node's text of the alternative names: `DNS:a.test, IP Address:10.0.0.1`. A name with a
 * character that no name has stands in quotes, as in JSON (CVE-2021-44532).
 */
function namesOf(alternatives: string): string[] {
  const found = alternatives.matchAll(/(?:DNS|IP Address):("(?:[^"\\]|\\.)*"|[^,"]*)/g);
  return Array.from(found, ([, name = ""]) => (name.startsWith('"') ? (JSON.parse(name) as string) : name));
}

/** Node writes one part of the issuer's name on each line: `O=Let's Encrypt`, `CN=R11`. */
function issuerOf(issuer: string): string {
  const lines = issuer.split("\n");
  const part = (key: string): string | undefined =>
    lines.find((line) => line.startsWith(`${key}=`))?.slice(key.length + 1);
  const parts = [part("O"), part("CN")].filter((text) => text !== undefined);
  return parts.length === 0 ? lines.join(", ") : parts.join(", ");
}
