import { exactBytes } from "mcp-tunnel-shared";
import { fittingTable } from "mcp-tunnel-shared/command";
import { secretsOf, type TokenEntry, tokenId } from "../../auth/token-list.js";

const head = ["ID", "SUBDOMAINS", "EXPIRES", "TUNNELS", "REQUESTS/S", "BYTES/S", "NOTE"];

/** What a narrow terminal goes without, first to last. */
const dispensable = ["TUNNELS", "REQUESTS/S", "BYTES/S", "NOTE"];

/**
 * Tokens as lines for a person. An old secret that is kept has a line of its own below its successor's.
 * `now` is in milliseconds since 1970. `width`: characters in a line of the terminal. Columns are left out
 * for it.
 */
export function tokenTable(
  tokens: readonly TokenEntry[],
  now: number,
  width = Number.POSITIVE_INFINITY,
): string[] {
  // The columns that stay beside it take that much, with the longest of dates.
  const room = Math.max(width - 42, 20);
  const rows = tokens.flatMap((token) =>
    secretsOf(token).map((secret, age) => [
      tokenId(secret.sha256),
      cut(secret.subdomains.join(","), room),
      endOf(secret, now),
      orDash(secret.maxTunnels),
      orDash(secret.maxRequestsPerSecond),
      secret.maxBytesPerSecond === undefined ? "-" : exactBytes(secret.maxBytesPerSecond),
      age === 0 ? (secret.note ?? "") : `old secret of ${tokenId(token.sha256)}`,
    ]),
  );
  return fittingTable(head, rows, { width, dispensable });
}

/** Patterns are of plain letters, so each of them is a character wide. */
function cut(text: string, room: number): string {
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}

function orDash(value: number | undefined): string {
  return value === undefined ? "-" : String(value);
}

function endOf({ expiresAt }: TokenEntry, now: number): string {
  if (expiresAt === undefined) return "never";
  const text = new Date(expiresAt).toISOString().slice(0, 16).replace("T", " ");
  return expiresAt <= now ? `${text} (expired)` : text;
}
