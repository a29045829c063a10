/** Codes of errors about a certificate that leads to no authority that Node trusts. */
const untrusted: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** The end whose TLS failed. */
export type TlsEnd = "relay" | "service" | "proxy";

/** How a certificate is believed that nobody has signed whom Node knows. */
const trustAdvices: Readonly<Record<TlsEnd, string>> = {
  relay: "--relay-ca <path>, relayTls.ca in a program, or NODE_EXTRA_CA_CERTS",
  service: "--service-ca <path>, serviceTls.ca in a program, or NODE_EXTRA_CA_CERTS",
  proxy: "NODE_EXTRA_CA_CERTS",
};

/** How an end is shown a certificate that asks for one. */
const ownAdvices: Readonly<Record<TlsEnd, string>> = {
  relay: ": in a program, give relayTls.cert and relayTls.key",
  service: ": in a program, give serviceTls.cert and serviceTls.key",
  proxy: ", and the client has none to show",
};

/** Codes of alerts by which an end asks for a certificate that it was not shown, or does not believe. */
const wantsCertificate: ReadonlySet<string> = new Set([
  "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
  // OpenSSL has renamed this one.
  "ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE",
  "ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE",
  "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
]);

/** Codes of other errors about a certificate (X509_V_ERR_... of OpenSSL, as Node names them). */
const invalid: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: " (it has to be renewed there, unless the clock of this machine is wrong)",
  CERT_NOT_YET_VALID: " (is the clock of this machine right?)",
  CERT_REVOKED: "",
  CERT_SIGNATURE_FAILURE: "",
  CERT_UNTRUSTED: "",
  CERT_CHAIN_TOO_LONG: "",
  ERR_TLS_CERT_ALTNAME_INVALID: "",
  HOSTNAME_MISMATCH: "",
  INVALID_CA: "",
  INVALID_PURPOSE: "",
};

/** Codes of errors about a certificate for another name. */
const otherName: ReadonlySet<string> = new Set(["ERR_TLS_CERT_ALTNAME_INVALID", "HOSTNAME_MISMATCH"]);

/** How another name is wanted of a certificate. */
const nameAdvices: Readonly<Record<TlsEnd, string>> = {
  relay: " In a program, relayTls.servername gives another",
  service: " In a program, serviceTls.servername gives another",
  proxy: "",
};

/** Whether an error is about a certificate, of either end. Another attempt would meet it again. */
export function isCertificateFault(error: unknown): boolean {
  const code = codeOf(error);
  return untrusted.has(code) || wantsCertificate.has(code) || Object.hasOwn(invalid, code);
}

/** Whether the other end has answered the handshake of TLS with something else. */
export function isPlainAnswer(error: unknown): boolean {
  const code = codeOf(error);
  // The same error has another code if a write notices it first.
  const isWrite = code === "EPROTO" && (error as Error).message.includes("wrong version number");
  return isWrite || code === "ERR_SSL_WRONG_VERSION_NUMBER";
}

function codeOf(error: unknown): string {
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? "") : "";
}

/** Explains an error about the TLS of the other end, with advice. Undefined for any other error. */
export function tlsFault(error: unknown, end: TlsEnd): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code = "", message }: NodeJS.ErrnoException = error;
  if (untrusted.has(code)) {
    return `${message} (to trust it, give the certificate that signed it by ${trustAdvices[end]})`;
  }
  if (otherName.has(code)) return `${message} (is this the name for which it was issued?${nameAdvices[end]})`;
  if (wantsCertificate.has(code)) {
    return `it wants a certificate of the client's, or does not believe the one that it got${ownAdvices[end]}`;
  }
  if (isPlainAnswer(error)) return "it answers without TLS: use http://";
  const advice = Object.hasOwn(invalid, code) ? invalid[code] : undefined;
  return advice === undefined ? undefined : `${message}${advice}`;
}
