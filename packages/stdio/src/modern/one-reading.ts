import { walkJson } from "mcp-tunnel-shared";

/**
 * The members that tell a request from those of other visitors, or decide whether a message may pass. They
 * are found by their paths without case.
 */
const pathsByFolded = new Map(
  ["id", "method", "params", "params/_meta", "params/requestId", "params/_meta/progressToken"].map((path) => [
    folded(path),
    path,
  ]),
);

/**
 * Whether all programs read the same in those members. Programs disagree about a member that is there twice
 * (RFC 8259 section 4), and Go's `encoding/json` takes `ID` for `id`. A visitor could give a request the
 * number of another visitor's in that way, who would then get the answer.
 */
export function hasOneReading(json: string): boolean {
  const seen = new Set<string>();
  let isPlain = true;
  walkJson(json, 3, {
    onMember(members, depth) {
      const path = members.slice(0, depth).join("/");
      const meant = pathsByFolded.get(folded(path));
      if (meant === undefined) return;
      if (path !== meant || seen.has(path)) isPlain = false;
      seen.add(path);
    },
  });
  return isPlain;
}

/** A name without its case. To Go, the long s is an s as well, and the sign for kelvin a k. */
function folded(name: string): string {
  return name.toUpperCase().toLowerCase();
}
