/**
 * What a resource indicator (RFC 8707) stands for at a public origin: the origin, or a path below it.
 * Undefined if it is none of this gate.
 */
export function resourceAt(origin: string, indicator: string): string | undefined {
  if (!URL.canParse(indicator)) return undefined;
  const url = new URL(indicator);
  if (url.origin !== origin || url.username !== "" || url.password !== "" || indicator.includes("#")) {
    return undefined;
  }
  return url.origin + url.pathname.replace(/\/$/, "");
}

/**
 * What different programs read differently: dot segments, empty segments, backslashes, encoded dots, slashes,
 * backslashes and percent signs, and characters that have no place in a target.
 */
const ambiguous = /\.\.|\/\/|[\\#;]|%(?:2e|2f|5c|25)|[^!-~]/i;

/**
 * Whether a token for `resource` (of {@link resourceAt}) is good for a request's target. A path of the
 * resource has to end at a boundary: `/a` stands for `/a` and `/a/b`, not for `/ab`. The target is compared
 * as it is written. One that the service might read as another path needs a token for the whole origin.
 */
export function covers(resource: string, origin: string, target: string): boolean {
  if (resource === origin) return true;
  if (!resource.startsWith(`${origin}/`)) return false;
  const [path = ""] = target.split("?");
  if (ambiguous.test(path)) return false;
  const base = resource.slice(origin.length);
  return path === base || path.startsWith(`${base}/`);
}
