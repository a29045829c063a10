import type { Secret } from "./marks.js";

/**
 * A JSON Web Token (RFC 7519): signed (three parts), encrypted (five), or cut off in its second part. The
 * first part alone is no secret, and looks like any JSON in base64, such as the cursor of a list.
 */
const webToken =
  /eyJ(?<=(?:(?<![\w-])|(?<=%[\dA-Fa-f]{2})|(?<=\\[nrt]))eyJ)[\w-]{8,}(?:(?:\.[\w-]*){2,4}|\.eyJ[\w-]*)/g;

/** Keys of well-known services, which begin with a word of their own. */
const serviceKey =
  /(?:(?:A3T[A-Z]|AKIA|ASIA)[A-Z\d]{16}(?![A-Za-z\d])|AIza[\w-]{30,}|gh[oprsu]_[A-Za-z\d]{20,}|(?:dop_v1_|figd_|github_pat_|glpat-|glsa_|GOCSPX-|hf_|lin_api_|mtt?_|npm_|ntn_|pypi-|rk_live_|rk_test_|sbp_|shpat_|sk_live_|sk_test_|whsec_)[\w-]{16,}|xapp-[\w-]{10,}|xox[abeoprs]-[\w-]{10,}|SG\.[\w-]{16,}\.[\w-]{16,}|ya29\.[\w-]{20,}|sk-[\w-]{20,})/g;

/** What a text ends with where a word may begin: an escape of a URL or of JSON may stand before it. */
const isBegin = /(?:^|[^\w-]|%[\dA-Fa-f]{2}|\\[nrt])$/;

/** The credentials of RFC 6750, wherever they stand. */
const bearer =
  /bearer(?<=(?:(?<![\w-])|(?<=%[\dA-Fa-f]{2})|(?<=\\[nrt]))bearer)(?: {1,4}|%20|\+)([\w\-.~+/]{3,}=*)/gi;
const inField = /authorization\\*["']? {0,4}[:=] {0,4}\\*["']?$/i;
const basic =
  /basic(?<=(?:(?<![\w-])|(?<=%[\dA-Fa-f]{2})|(?<=\\[nrt]))basic)(?: {1,4}|%20|\+)([A-Za-z\d+/]{4,}={0,2})/gi;
const authority = /:(?:\/\/|\\+\/\\+\/)/g;
const authorityEnd = /[/?#\s"'<>\\]/g;
/** Longer user names and passwords are not looked for. */
const maxUserinfo = 1_024;
const privateKey = /-----BEGIN [A-Z\d ]{0,40}PRIVATE KEY-----/g;

/** Finds texts that are secrets, whatever their name. Each sign is looked at a bounded number of times. */
export function findShapes(text: string, found: (secret: Secret) => void): void {
  for (const match of text.matchAll(webToken)) found(whole(match));
  for (const match of text.matchAll(serviceKey)) {
    if (isServiceKey(match[0]) && isBegin.test(text.slice(Math.max(match.index - 3, 0), match.index))) {
      found(whole(match));
    }
  }
  for (const match of text.matchAll(bearer)) {
    const before = text.slice(Math.max(match.index - 32, 0), match.index);
    if (isDrawn(match[1] ?? "") || inField.test(before)) found(lastPart(match));
  }
  for (const match of text.matchAll(basic)) if (isBasic(match[1] ?? "")) found(lastPart(match));
  findPrivateKeys(text, found);
  findUserinfo(text, found);
}

/** `sk-` begins English compounds as well. What was drawn by lot has a digit or a capital letter. */
function isServiceKey(text: string): boolean {
  return !text.startsWith("sk-") || /[\dA-Z]/.test(text);
}

/** `Bearer` stands before words too, as in `Bearer token`, and before the parameters of a challenge. */
function isDrawn(text: string): boolean {
  if (/^[a-z_]+=$/.test(text)) return false;
  return /\d/.test(text) || text.length >= 20;
}

/** RFC 7617: a name, a colon and a password in base64. */
function isBasic(text: string): boolean {
  const decoded = Buffer.from(text, "base64").toString("latin1");
  return decoded.includes(":") && !/[\0-\x1f]/.test(decoded);
}

/** Private keys in PEM (RFC 7468). A key that is cut off ends with its text. */
function findPrivateKeys(text: string, found: (secret: Secret) => void): void {
  let done = 0;
  for (const match of text.matchAll(privateKey)) {
    const start = match.index + match[0].length;
    if (start < done) continue;
    const end = text.slice(start).search(/-----END|["'<>]/);
    done = end === -1 ? text.length : start + end;
    if (done > start) found({ start, end: done });
  }
}

/** Names and passwords in URLs (RFC 3986 section 3.2.1). A name without a password may be a token. */
function findUserinfo(text: string, found: (secret: Secret) => void): void {
  for (const match of text.matchAll(authority)) {
    const start = match.index + match[0].length;
    const rest = text.slice(start, start + maxUserinfo);
    const length = rest.search(authorityEnd);
    const at = (length === -1 ? rest : rest.slice(0, length)).lastIndexOf("@");
    if (at === -1) continue;
    const colon = rest.slice(0, at).indexOf(":");
    if (colon !== -1 && colon + 1 < at) found({ start: start + colon + 1, end: start + at });
    // Longer than names of people are.
    if (colon === -1 && at >= 20) found({ start, end: start + at });
    if (colon > 0 && colon + 1 === at && at > 20) found({ start, end: start + colon });
  }
}

function whole(match: RegExpExecArray): Secret {
  return { start: match.index, end: match.index + match[0].length };
}

/** The group, which stands at the end. */
function lastPart(match: RegExpExecArray): Secret {
  const end = match.index + match[0].length;
  return { start: end - (match[1]?.length ?? 0), end };
}
