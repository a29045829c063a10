/**
 * The keys of one cluster, which all begin with `{prefix}:`. The braces are a hash tag: a Redis Cluster keeps
 * all of them in one slot, as scripts demand. README.md of the package has a table of the keys.
 */
export interface Keys {
  /** What all keys begin with. Scripts get it as their only key, and make the others. */
  readonly base: string;
  /** The channel of the events. */
  readonly events: string;
}

export function keysOf(prefix: string): Keys {
  const base = `{${prefix}}:`;
  return { base, events: `${base}events` };
}
