import type { RawHeaders } from "mcp-tunnel-protocol";

/**
 * The first field of each request that goes from relay to relay: which tunnel it is for. No visitor's field
 * has this name, because relays drop all fields of visitors that begin with `X-Tunnel-`.
 */
const hopField = "X-Tunnel-Hop";

/** A tunnel that had its name by the claim with this number: see `Entry.gen`. */
export interface HopTarget {
  readonly name: string;
  readonly gen: number;
}

/** The value of the field for a tunnel. */
export function hopValue({ name, gen }: HopTarget): string {
  return `${name} ${gen}`;
}

/** The fields of a request with that of the hop before them. */
export function withHop(value: string, headers: RawHeaders): RawHeaders {
  return [hopField, value, ...headers];
}

/** Takes the hop's field off a request's fields. `undefined` if they do not begin with it. */
export function takeHop(headers: RawHeaders): HopTarget | undefined {
  if (headers[0] !== hopField) return undefined;
  const [, value] = headers.splice(0, 2) as [string, string];
  const space = value.indexOf(" ");
  const gen = Number(value.slice(space + 1));
  if (space <= 0 || !Number.isSafeInteger(gen)) return undefined;
  return { name: value.slice(0, space), gen };
}

/**
 * Why a request was not taken to its tunnel, while nothing was done. The first three travel as the message of
 * a reset with `refused`.
 *
 *   moved         the relay has no such tunnel, or has it no more
 *   away          the tunnel takes no requests now
 *   limited       the token of the tunnel has had its requests of this second
 *   unreachable   there is no link to the relay
 */
export type HopRefusal = "moved" | "away" | "limited" | "unreachable";

/** The refusal that a reset's message means. */
export function refusalOf(message: string): HopRefusal {
  return message === "away" || message === "limited" ? message : "moved";
}
