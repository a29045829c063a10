/**
 * Values, defaults and bounds of the client's options, and how a relay's URL is read. A command needs them
 * before it needs the client itself. To load the client takes longer than an answer to a mistake or to
 * `--help` may take.
 */
export { checkCertificates } from "./net/tls-options.js";
export { checkSubdomain, resolveToken } from "./options.js";
export { checkRelayHeaders } from "./relay-headers.js";
export { registerUrl, relayName, resolveProxy } from "./relay-place.js";
export { parseForwardedHeaders, parseHostHeader } from "./service-options.js";
export {
  defaultOauthMetadata,
  defaultOrigin,
  oauthMetadataPolicies,
  originPolicies,
} from "./service/http/policies.js";
export type { OauthMetadata, OriginPolicy } from "./service/http/policies.js";
export { greatestHeadBytes, leastHeadBytes } from "./service/http/response-normaliser.js";
export { withoutPassword } from "./service/http/target.js";
