/** Which names say that a value is a secret. */

/** Header fields whose name says `key`, `token` or `signature`, and whose value proves nothing. */
const openFields = new Set([
  "access-control-request-headers",
  "cache-key",
  "idempotency-key",
  "mcp-session-id",
  "proxy-authenticate",
  "public-key-pins",
  "sec-websocket-accept",
  "sec-websocket-key",
  "surrogate-key",
  "www-authenticate",
  "x-cache-key",
  "x-idempotency-key",
]);

const secretFieldWord =
  /(?:token|secrets?|passwords?|passwd|passcode|passphrase|credentials?|signature|apikey|authorization)$/;

/** Keys that open something. Others are names: a primary key, the key of a cache. */
const keys = [
  ...["access", "account", "admin", "api", "app", "auth", "bot", "client", "deploy", "encryption", "host"],
  ...["license", "master", "private", "secret", "service", "session", "shared", "signing", "ssh"],
  ...["subscription", "webhook"],
];
const codes = ["auth", "authorization", "device", "mfa", "otp", "recovery"];
const endings = [
  ...["assertion", "authorization", "codeverifier", "connectionstring", "cookie", "credentials?", "csrf"],
  ...["passcode", "passphrase", "passwd", "passwords?", "pwd", "samlart", "samlresponse", "secrets?"],
  ...["signature", "token", "xsrf"],
];
/** Endings of names, without what separates their words. Plural `tokens` mostly counts what a model reads. */
const secretEnding = new RegExp(
  `(?:${endings.join("|")}|(?:${codes.join("|")})code|(?:${keys.join("|")})keys?)` +
    "(?:value|confirmation|confirm|again|repeat|hint|pem)?$",
);

/** Tokens that say where to go on in a list, which call is meant, or what ends a text. */
const openToken =
  /(?:progress|page|next|continuation|cancell?ation|cancel|eos|bos|pad|unk|sep|cls|mask|stop)token$/;

/** Short names, under which a number is no secret: `pass` counts the tests that passed. */
const secretTexts = new Set(["auth", "pass", "pw", "sig"]);
const secretLastWords = new Set([...secretTexts, "otp", "totp"]);

/** Names that are secrets in queries and forms only. In other texts, they name anything. */
const secretParameters = new Set(["code", "hmac", "key", "ticket", "user_code"]);

/** The name of a header field. Cookies have rules of their own. */
export function isSecretField(name: string): boolean {
  const lower = name.toLowerCase();
  if (openFields.has(lower) || lower.startsWith("if-")) return false;
  // The argument of a tool, which its client repeats in the head (MCP 2026-07-28).
  if (lower.startsWith("mcp-param-")) return isSecretMember(name.slice("mcp-param-".length));
  const words = lower.split(/[-_.]/);
  return words.includes("key") || words.at(-1) === "auth" || words.some((word) => secretFieldWord.test(word));
}

/** The names that were asked for last: a text has the same few over and over. */
const known = new Map<string, boolean>();
const maxKnown = 1_000;

/** The name of a member of a JSON object, or of a variable in any text. */
export function isSecretMember(name: string): boolean {
  const before = known.get(name);
  if (before !== undefined) return before;
  const isSecret = readMember(name);
  if (known.size >= maxKnown) known.clear();
  known.set(name, isSecret);
  return isSecret;
}

function readMember(name: string): boolean {
  // The working directory, in a list of the variables of a process.
  if (name === "PWD" || name === "OLDPWD") return false;
  const compact = withoutNumber(name.toLowerCase().replaceAll(/[^a-z0-9]/g, ""));
  if (secretEnding.test(compact)) return !openToken.test(compact);
  return secretLastWords.has(lastWord(name));
}

/** Whether a number under a name of {@link isSecretMember} is none. */
export function isSecretOnlyAsText(name: string): boolean {
  return secretTexts.has(lastWord(name));
}

/** The name of a parameter of a query, or of a field of a form. */
export function isSecretParameter(name: string): boolean {
  return secretParameters.has(name.toLowerCase()) || isSecretMember(name);
}

/** Without the number in `password2`. */
function withoutNumber(name: string): string {
  let end = name.length;
  while (end > 0 && name.charCodeAt(end - 1) <= 0x39) end -= 1;
  return name.slice(0, end);
}

/** `sig` of `blobSig`, `blob_sig` and `BLOB_SIG`. */
function lastWord(name: string): string {
  const words = name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]/);
  return words.findLast((word) => word !== "") ?? "";
}
