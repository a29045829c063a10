// The parts, in the order in which a byte meets them:
//   link.ts          one connection that carries messages (ws-link.ts over `ws`, testing/ in memory)
//   registration.ts  the JSON messages that come before a session; names.ts  names of tunnels,
//                    pools.ts  who shares one
//   sessions.ts      the entry /sessions, with
//     v1/              binary protocol: frame, encode, decode, stream, streams, sender, session (PROTOCOL.md)
//     json/            the original's JSON wire, 0.1 and 0.2, behind the same interface
//   tunnel.ts        that interface: sessions, streams and their handlers
//   refusals.ts, refusal-gatherer.ts   requests that a relay refused, as it tells its client
//   json-rpc.ts      what is answered to MCP clients in the place of their server
//   headers.ts, field-names.ts, known-names.ts, upgrade-offer.ts, errors.ts, close-codes.ts   shared words
//   shape.ts         what values from elsewhere have to be; options.ts, option-shapes.ts   options
//   logger.ts        where both ends tell what they do
export {
  cannotTellReason,
  closeCodes,
  evictedReason,
  gateRequiredReason,
  isSendableCode,
  otherGateReason,
  providerUnavailableReason,
  tooManyTunnels,
} from "./close-codes.js";
export { abortError, resetCodes, StreamReset, TunnelError } from "./errors.js";
export type { ResetCode, TunnelErrorCode, TunnelErrorDetails } from "./errors.js";
export { AnySpelling, FieldNames, hopByHop, isNamed, visitorField } from "./field-names.js";
export type { FieldSet } from "./field-names.js";
export {
  endToEndHeaders,
  endToEndTrailers,
  fieldPairs,
  headerValue,
  isBodyless,
  isBodylessStatus,
  isEventStreamType,
  isFieldValue,
  isToken,
  keepEndToEnd,
  listValues,
  maxFields,
} from "./headers.js";
export type { RawHeaders } from "./headers.js";
export { isMcp, jsonRpcRefusal, mayBeJsonRpc } from "./json-rpc.js";
export type { JsonRpcRefusal } from "./json-rpc.js";
export type { Link, LinkHandler } from "./link.js";
export { nameAt } from "./known-names.js";
export { checkLiveness, Liveness } from "./liveness.js";
export type { LivenessOptions } from "./liveness.js";
export { loggerShape, silentLogger } from "./logger.js";
export type { Logger } from "./logger.js";
export { isName, isPattern, matchesPattern, maxNameLength } from "./names.js";
export { describeType, describeValue, maxTimerMs, nearestName, unusable } from "./options.js";
export { meet } from "./pools.js";
export type { Meeting, NameClient } from "./pools.js";
export { RefusalGatherer } from "./refusal-gatherer.js";
export type { Refusal, RefusalCode, RefusalLimit, RelayErrorCode } from "./refusals.js";
export {
  claimFeature,
  featuresField,
  maxTokenLength,
  parseAcknowledge,
  parseChecked,
  parseOffer,
  parsePick,
  parseRegister,
  poolFeature,
  registeredGate,
  registrationPath,
  supportedProtocols,
  versionForm,
} from "./registration.js";
export type {
  AcknowledgeMessage,
  CheckedMessage,
  Claim,
  ClientPackage,
  OfferMessage,
  PickMessage,
  RegisteredGate,
  RegisterMessage,
} from "./registration.js";
export {
  anything,
  Fault,
  flag,
  fromJson,
  listOf,
  mapOf,
  number,
  objectOf,
  oneOf,
  onlyObjectOf,
  passing,
  Shape,
  text,
} from "./shape.js";
export type { Members } from "./shape.js";
export {
  abortSignal,
  callback,
  checkOptions,
  firstProblem,
  flagOr,
  milliseconds,
  objectWith,
  problemOf,
  sendableCode,
  someObject,
  textOrUrl,
  wholeNumber,
} from "./option-shapes.js";
export type { OptionRules, Problem } from "./option-shapes.js";
export { carriedBy } from "./tunnel.js";
export type {
  AcceptedStream,
  AcceptStream,
  Carries,
  OpeningSession,
  RequestHead,
  ResponseHead,
  ResumableSession,
  Session,
  SessionHandler,
  StreamHandler,
  TunnelStream,
  Wire,
} from "./tunnel.js";
export { carriedProtocols } from "./upgrade-offer.js";
