import { addressKey, plainAddress } from "mcp-tunnel-shared";

/** What an address counts as. Those of an IPv6 /64 are one, and so are all that nobody has told. */
export function crowdOf(address: string | undefined): string | undefined {
  return address === undefined ? undefined : addressKey(plainAddress(address));
}

/**
 * Who leaves a place that is full: the oldest of the address that has most there. So a stranger who comes
 * without end keeps out himself, and two of them do not keep out everybody else. `byAge`: the oldest first,
 * each with the crowd that it belongs to.
 */
export function firstToLeave<Id>(
  byAge: Iterable<readonly [id: Id, crowd: string | undefined]>,
): Id | undefined {
  const crowds = new Map<string | undefined, { readonly oldest: Id; count: number }>();
  let greatest: { readonly oldest: Id; count: number } | undefined;
  for (const [id, crowd] of byAge) {
    const known = crowds.get(crowd);
    if (known === undefined) crowds.set(crowd, { oldest: id, count: 1 });
    else known.count += 1;
  }
  for (const crowd of crowds.values()) {
    if (greatest === undefined || crowd.count > greatest.count) greatest = crowd;
  }
  return greatest?.oldest;
}
