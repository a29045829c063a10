import { FieldNames, headerValue, type RawHeaders, type RequestHead } from "mcp-tunnel-protocol";
import { withoutQuery } from "mcp-tunnel-shared";
import { redirectReference } from "./field-values.js";
import type { References } from "./references.js";

/** The largest document that is rewritten, in bytes. Real ones have a few thousand. */
export const maxMetadataBytes = 262_144;

/**
 * The paths of metadata of OAuth and OpenID Connect: RFC 9728 section 3.1, RFC 8414 section 3.1, and OpenID
 * Connect Discovery section 4. The last appends to the path of the issuer, and the others insert before it.
 */
const insertedPath =
  /^\/\.well-known\/(?:oauth-protected-resource|oauth-authorization-server|openid-configuration)(?:\/|$)/;
const appendedPath = "/.well-known/openid-configuration";

/** Whether a request asks for such metadata. */
export function asksForMetadata({ method, path }: RequestHead): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  if (!path.includes("/.well-known/o")) return false;
  const plain = withoutQuery(path);
  return insertedPath.test(plain) || plain.endsWith(appendedPath);
}

/**
 * Fields of a request for metadata that do not reach the service. A coded answer could not be read.
 * Conditions and ranges refer to a rewritten answer, which is not the document that the service has.
 */
export const notAskedOfMetadata = new FieldNames([
  ...["accept-encoding", "range", "if-range", "if-match", "if-none-match", "if-modified-since"],
  "if-unmodified-since",
]);

/** Fields of an answer that are true of the service's own bytes and not of others. */
export const ofOwnBytes = new FieldNames([
  ...["content-length", "etag", "digest", "content-digest", "repr-digest", "content-md5"],
]);

/** Whether an answer to {@link asksForMetadata} may be one that has to be rewritten. */
export function mayBeMetadata(status: number, headers: RawHeaders): boolean {
  if (status !== 200) return false;
  const [type = ""] = (headerValue(headers, "content-type") ?? "").toLowerCase().split(";", 1);
  const essence = type.trim();
  if (essence !== "application/json" && !essence.endsWith("+json")) return false;
  const coding = headerValue(headers, "content-encoding")?.toLowerCase();
  if (coding !== undefined && coding !== "identity") return false;
  return Number(headerValue(headers, "content-length") ?? 0) <= maxMetadataBytes;
}

/** The result of {@link settleMetadata}. */
export interface SettledMetadata {
  /** The document with the public origin. */
  readonly body: Buffer;
  /**
   * The document is signed: with another origin it would not be valid, and with the local origin it is of no
   * use.
   */
  readonly isSigned: boolean;
}

/**
 * Leads the references of a metadata document `from` the service's own origin `to` the public one. Undefined
 * if there are none, or if it is no such document.
 */
export function settleMetadata(bytes: Buffer, from: References, to: string): SettledMetadata | undefined {
  try {
    const document: unknown = JSON.parse(utf8.decode(bytes));
    if (!isObject(document)) return undefined;
    const isChanged = settleMembers(document, (text) =>
      text.startsWith("/") ? text : redirectReference(text, from, to),
    );
    if (!isChanged) return undefined;
    return {
      body: Buffer.from(JSON.stringify(document)),
      isSigned: Object.hasOwn(document, "signed_metadata"),
    };
  } catch {
    // It is not JSON, or nested so deeply that it cannot be written again.
    return undefined;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

type JsonObject = Record<string, unknown>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Members that list identifiers of servers: RFC 9728 sections 2 and 4. */
const lists = ["authorization_servers", "protected_resources"];

/** Returns whether anything has changed. */
function settleMembers(document: JsonObject, settle: (text: string) => string): boolean {
  let isChanged = settleReferences(document, settle);
  for (const name of lists) {
    const list = document[name];
    if (!Array.isArray(list)) continue;
    for (const [i, element] of (list as unknown[]).entries()) {
      if (typeof element !== "string") continue;
      list[i] = settle(element);
      if (list[i] !== element) isChanged = true;
    }
  }
  // RFC 8705 section 5.
  const aliases = document["mtls_endpoint_aliases"];
  return (isObject(aliases) && settleReferences(aliases, settle)) || isChanged;
}

function settleReferences(object: JsonObject, settle: (text: string) => string): boolean {
  let isChanged = false;
  for (const [name, value] of Object.entries(object)) {
    if (typeof value !== "string" || !isReference(name)) continue;
    const settled = settle(value);
    if (settled === value) continue;
    object[name] = settled;
    isChanged = true;
  }
  return isChanged;
}

/**
 * The members of RFC 8414 section 2, RFC 9728 section 2, OpenID Connect Discovery section 3 and Session
 * Management section 3.3, and all others that are registered with the same endings.
 */
function isReference(name: string): boolean {
  return (
    name === "issuer" ||
    name === "resource" ||
    name === "check_session_iframe" ||
    name.endsWith("_endpoint") ||
    name.endsWith("_uri") ||
    name.endsWith("_documentation")
  );
}
