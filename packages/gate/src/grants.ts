/** A grant, as its owner sees it. */
export interface GrantInfo {
  /** Short and unique within a gate: for `auth revoke`. */
  readonly id: string;
  /** The id under which the client has registered. */
  readonly clientId: string;
  /** The name that the client gave itself. */
  readonly clientName: string;
  /** Who approved: `owner`, or the e-mail address of an upstream login. */
  readonly user: string;
  /** In milliseconds since 1970, as all times here. */
  readonly sinceMs: number;
  /** To the minute. */
  readonly lastUsedMs: number;
}

/**
 * What OAuth keeps over restarts. Only the gate writes it. No token stands in it as it is: ids are digests.
 */
export interface StoredGrants {
  /** The version of this form. */
  readonly version: 1;
  /** The public origin for which the grants were made. They are worth nothing at another. */
  readonly origin: string;
  /** The grants that hold. */
  readonly grants: readonly GrantInfo[];
  /** Records of the authorization server, by model and id. */
  readonly records: readonly StoredRecord[];
}

/** A record of the authorization server. */
export interface StoredRecord {
  /** What it is a record of. */
  readonly model: string;
  /** The digest under which it is found. */
  readonly id: string;
  /** What it says, as JSON holds it. */
  readonly payload: object;
  /** Undefined: it does not expire. */
  readonly expiresAtMs: number | undefined;
}

/** Keeps {@link StoredGrants}: in a file, or only in memory. */
export interface GrantStorage {
  /** What was written last. Called once, before anything else. @throws TunnelError `unavailable`. */
  read(): StoredGrants | undefined;
  /** Something has changed: `snapshot()` is to be written soon. Failures become notices to the person. */
  changed(snapshot: () => StoredGrants): void;
  /**
   * Another process revokes grants by their ids. The listener is called at once for those that were revoked
   * while nobody ran the gate: {@link read} still has them. A revocation counts as taken once a snapshot
   * without the grant was written, so the listener has to lead to {@link changed}.
   */
  onRevoke(listener: (grants: readonly string[]) => void): void;
  /** Writes what waits to be written, and lets go. */
  close(): Promise<void>;
}

/** Keeps grants as long as the process lives. */
export function memoryStorage(): GrantStorage {
  return { read: () => undefined, changed() {}, onRevoke() {}, close: async () => {} };
}
