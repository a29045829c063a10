/** Codes of errors about a certificate that leads to no authority that Node trusts. */
const untrusted: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** Codes of other errors about a certificate (X509_V_ERR_... of OpenSSL, as Node names them). */
const invalid: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: " (it has to be renewed there, unless the clock of this machine is wrong)",
  CERT_NOT_YET_VALID: " (is the clock of this machine right?)",
  CERT_REVOKED: "",
  CERT_SIGNATURE_FAILURE: "",
  CERT_UNTRUSTED: "",
  CERT_CHAIN_TOO_LONG: "",
  ERR_TLS_CERT_ALTNAME_INVALID: " (is this the name for which it was issued?)",
  HOSTNAME_MISMATCH: " (is this the name for which it was issued?)",
  INVALID_CA: "",
  INVALID_PURPOSE: "",
};

/** Whether an error is about the certificate of the other end, which another attempt would meet again. */
export function isCertificateFault(error: unknown): boolean {
  const code = codeOf(error);
  return untrusted.has(code) || Object.hasOwn(invalid, code);
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
export function tlsFault(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code = "", message }: NodeJS.ErrnoException = error;
  if (untrusted.has(code)) {
    return `${message} (set NODE_EXTRA_CA_CERTS to the file of the certificate that signed it)`;
  }
  if (isPlainAnswer(error)) return "it answers without TLS: use http://";
  const advice = Object.hasOwn(invalid, code) ? invalid[code] : undefined;
  return advice === undefined ? undefined : `${message}${advice}`;
}
