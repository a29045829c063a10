/** What the relay's own code says of its limits and refusals. The build puts it in. */
declare const relayWords: RelayWords;

interface RelayWords {
  /** By the name that counts have: what the limit is, and the option that sets it. */
  readonly limits: Readonly<Record<string, { readonly text: string; readonly option: string }>>;
  /** By the code of the refusal: its status and what it says. */
  readonly refusals: Readonly<Record<string, { readonly status: number; readonly text: string }>>;
}

// The build writes the value in the place of each use of the name.
const { limits, refusals } = relayWords;

export function limitWords(name: string): { readonly text: string; readonly option: string } | undefined {
  return Object.hasOwn(limits, name) ? limits[name] : undefined;
}

export function refusalWords(code: string): { readonly status: number; readonly text: string } | undefined {
  return Object.hasOwn(refusals, code) ? refusals[code] : undefined;
}

const events: Readonly<Record<string, string>> = {
  registered: "a client has a name",
  refused: "a client was turned away",
  away: "a connection was lost, and the client is expected back",
  resumed: "a client was back in time",
  lost: "a client did not come back in time",
  evicted: "another client took the name",
  revoked: "the token was taken back, or has expired",
  closed: "a tunnel is over, for any reason",
};

export function eventWords(name: string): string {
  return Object.hasOwn(events, name) ? events[name]! : "";
}
