import { exactBytes } from "mcp-tunnel-shared";
import { wrapped } from "mcp-tunnel-shared/command";
import { secretsOf, type TokenEntry, tokenId } from "../../auth/token-list.js";
import { type Column, fittedTable, leftOutText } from "./fitted-table.js";

/** What a narrow terminal goes without, first to last. */
const dispensable = ["TUNNELS", "REQ/S", "BYTES/S", "NOTE"];

/** A secret of a token, by which clients are let in. */
interface Row {
  readonly token: TokenEntry;
  readonly secret: ReturnType<typeof secretsOf>[number];
  /** It has a successor, and is good for a while. */
  readonly isOld: boolean;
}

/**
 * Tokens as lines for a person. An old secret that is kept has a line of its own below its successor's.
 * `now` is in milliseconds since 1970. `width`: characters in a line of the terminal. Names and notes are cut
 * for it, and columns are left out.
 */
export function tokenTable(
  tokens: readonly TokenEntry[],
  now: number,
  width = Number.POSITIVE_INFINITY,
): string[] {
  const rows = tokens.flatMap((token) =>
    secretsOf(token).map((secret, age): Row => ({ token, secret, isOld: age > 0 })),
  );
  const column = (title: string, cellOf: (row: Row) => string, cut?: NonNullable<Column["cut"]>): Column => ({
    title,
    cells: rows.map(cellOf),
    ...(cut === undefined ? {} : { cut }),
  });
  const columns = [
    column("ID", ({ secret }) => tokenId(secret.sha256)),
    column("SUBDOMAINS", ({ secret }) => secret.subdomains.join(","), {
      well: 20,
      least: 10,
      leaves: "the beginning",
    }),
    column("EXPIRES", ({ secret }) => endOf(secret, now)),
    column("TUNNELS", ({ secret }) => orDash(secret.maxTunnels)),
    column("REQ/S", ({ secret }) => orDash(secret.maxRequestsPerSecond)),
    column("BYTES/S", ({ secret }) =>
      secret.maxBytesPerSecond === undefined ? "-" : exactBytes(secret.maxBytesPerSecond),
    ),
    column("NOTE", ({ token, secret, isOld }) => noteOf(token, secret, isOld), {
      well: 12,
      least: 9,
      leaves: "the beginning",
    }),
  ];
  const shown = fittedTable(columns, dispensable, width);
  const leftOut = leftOutText(shown);
  return [...shown.lines, ...(leftOut === undefined ? [] : ["", ...wrapped(leftOut, width)])];
}

function noteOf(token: TokenEntry, secret: Row["secret"], isOld: boolean): string {
  return isOld ? `old secret of ${tokenId(token.sha256)}` : (secret.note ?? "");
}

function orDash(value: number | undefined): string {
  return value === undefined ? "-" : String(value);
}

function endOf({ expiresAt }: Row["secret"], now: number): string {
  if (expiresAt === undefined) return "never";
  const text = new Date(expiresAt).toISOString().slice(0, 16).replace("T", " ");
  return expiresAt <= now ? `expired ${text.slice(0, 10)}` : text;
}
