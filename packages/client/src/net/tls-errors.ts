/** Codes of errors about a certificate that leads to no authority that Node trusts. */
const untrusted: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** Explains an error about the TLS of the other end, with advice. Undefined for any other error. */
export function tlsFault(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code = "", message }: NodeJS.ErrnoException = error;
  if (untrusted.has(code)) {
    return `${message} (set NODE_EXTRA_CA_CERTS to the file of the certificate that signed it)`;
  }
  // The same error has another code if a write notices it first.
  const isPlain = code === "EPROTO" && message.includes("wrong version number");
  if (isPlain || code === "ERR_SSL_WRONG_VERSION_NUMBER") return "it answers without TLS: use http://";
  return undefined;
}
