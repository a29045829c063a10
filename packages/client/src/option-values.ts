/**
 * What a command has to know of the client's options before it needs the client itself, which takes longer to load than
 * the answer to a mistake or to `--help` may: values, defaults, bounds, and how a relay's URL is read.
 */
export { checkSubdomain, registerUrl } from "./options.js";
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
