import { createHash } from "node:crypto";
import type { AdapterPayload } from "oidc-provider";
import { crowdOf, firstToLeave } from "../crowd.js";
import type { GrantInfo, StoredGrants, StoredRecord } from "../grants.js";

/** What the authorization server has stored under an id of one of its models. */
export interface Entry {
  readonly model: Model;
  readonly id: string;
  readonly payload: AdapterPayload;
  expiresAtMs: number | undefined;
  /** Whose request stored it: see `crowdOf`. Not known any more after a restart. */
  readonly crowd?: string | undefined;
}

/**
 * The models of oidc-provider that are kept at all, and whether they are kept over restarts: `soon` is
 * written at once, `later` with whatever is written next. Strangers may store what is written later, and
 * should not have a file of megabytes written each time.
 */
const models = {
  /** Clients that registered themselves. */
  Client: { lasts: "later" },
  Grant: { lasts: "soon" },
  AccessToken: { lasts: "soon" },
  RefreshToken: { lasts: "soon" },
  AuthorizationCode: { lasts: "no" },
  Interaction: { lasts: "no" },
  /** Metadata documents as they were read last: see client-documents.ts. */
  ClientDocument: { lasts: "later" },
} as const;

export type Model = keyof typeof models;

export function isModel(name: string): name is Model {
  return Object.hasOwn(models, name);
}

/**
 * Anybody may register a client, so the number of those without a grant is bounded. Interactions are bounded
 * by the requests that wait: see waiting.ts.
 */
const maxUnused: Partial<Record<Model, number>> = { Client: 200, ClientDocument: 50 };
/**
 * For each grant. Used refresh tokens are kept to notice that one comes back. A host refreshes three times a
 * day, so these are the ones of a month.
 */
const maxOfGrant: Partial<Record<Model, number>> = { AccessToken: 50, RefreshToken: 100 };

const sweepIntervalMs = 60_000;
const minuteMs = 60_000;

/** The SHA-256 digest of a secret, under which it is kept. */
export function digest(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}

interface RecordsEvents {
  /** Something has changed that is kept over restarts. */
  changed(): void;
  /** A grant is over: revoked, or expired. */
  grantOver(grant: GrantInfo): void;
}

/**
 * All records of the authorization server, in memory, so that a token is looked up without a turn of the
 * event loop. Expired records are not found. They are dropped as others are stored.
 */
export class Records {
  readonly #events: RecordsEvents;
  readonly #entries = new Map<Model, Map<string, Entry>>();
  readonly #ofGrant = new Map<string, Set<Entry>>();
  readonly #grants = new Map<string, GrantInfo>();
  #sweptAtMs = 0;
  #hasMore = false;

  constructor(events: RecordsEvents) {
    this.#events = events;
    this.clear();
  }

  /** Something is to be written later, and was not yet. */
  get hasMore(): boolean {
    return this.#hasMore;
  }

  get grants(): ReadonlyMap<string, GrantInfo> {
    return this.#grants;
  }

  find(model: Model, id: string): Entry | undefined {
    const entry = this.#of(model).get(id);
    return entry === undefined || isExpired(entry) ? undefined : entry;
  }

  /** `address`: of the visitor whose request stores it. */
  put(
    model: Model,
    id: string,
    payload: AdapterPayload,
    {
      ttlSeconds,
      address,
    }: { readonly ttlSeconds?: number | undefined; readonly address?: string | undefined },
  ): void {
    this.#sweep();
    const expiresAtMs = ttlSeconds === undefined ? undefined : Date.now() + ttlSeconds * 1_000;
    this.#insert({ model, id, payload, expiresAtMs, crowd: crowdOf(address) });
    if (model === "RefreshToken" && expiresAtMs !== undefined) this.#extend(payload.grantId, expiresAtMs);
    this.#dropUnused(model);
    this.#changed(model);
  }

  /** Marks a token as used, for good. Only the first time counts. */
  consume(model: Model, id: string): void {
    const entry = this.find(model, id);
    if (entry === undefined || entry.payload.consumed !== undefined) return;
    entry.payload.consumed = Math.floor(Date.now() / 1_000);
    this.#changed(model);
  }

  remove(model: Model, id: string): void {
    const entry = this.#of(model).get(id);
    if (entry === undefined) return;
    if (model === "Grant") this.endGrant(id);
    else this.#drop(entry);
    this.#changed(model);
  }

  /** Drops the tokens of one model that belong to a grant. */
  removeOfGrant(model: Model, grantId: string): void {
    const entries = [...(this.#ofGrant.get(grantId) ?? [])].filter((entry) => entry.model === model);
    for (const entry of entries) this.#drop(entry);
    if (entries.length > 0) this.#changed(model);
  }

  /** Says what the person is told of a grant. The grant itself is stored by the library. */
  describeGrant(info: GrantInfo): void {
    this.#grants.set(info.id, info);
    this.#events.changed();
  }

  /** Remembers that somebody came in with a token of a grant. */
  touchGrant(id: string): void {
    const info = this.#grants.get(id);
    const lastUsedMs = toMinute(Date.now());
    if (info === undefined || info.lastUsedMs === lastUsedMs) return;
    this.#grants.set(id, { ...info, lastUsedMs });
    this.#events.changed();
  }

  /** Whether a client has a grant. */
  hasGrant(clientId: string): boolean {
    return [...this.#grants.values()].some((grant) => grant.clientId === clientId);
  }

  /** Ends a grant with all of its tokens, at once. False if there is none with this id. */
  endGrant(id: string): boolean {
    const entry = this.#of("Grant").get(id);
    const info = this.#grants.get(id);
    for (const token of [...(this.#ofGrant.get(id) ?? [])]) this.#drop(token);
    if (entry !== undefined) this.#drop(entry);
    this.#grants.delete(id);
    if (info === undefined) return false;
    this.#events.grantOver(info);
    this.#events.changed();
    return true;
  }

  /** Forgets everything, without a word to anybody. */
  clear(): void {
    for (const model of Object.keys(models)) if (isModel(model)) this.#entries.set(model, new Map());
    this.#ofGrant.clear();
    this.#grants.clear();
  }

  restore({ grants, records }: StoredGrants): void {
    this.clear();
    for (const { model, id, payload, expiresAtMs } of records) {
      if (isModel(model)) this.#insert({ model, id, payload: { ...payload }, expiresAtMs });
    }
    for (const info of grants) if (this.find("Grant", info.id) !== undefined) this.#grants.set(info.id, info);
  }

  snapshot(origin: string): StoredGrants {
    this.#hasMore = false;
    const records: StoredRecord[] = [];
    for (const [model, entries] of this.#entries) {
      if (models[model].lasts !== "no")
        records.push(...[...entries.values()].filter((entry) => !isExpired(entry)));
    }
    const grants = [...this.#grants.values()].filter(({ id }) => this.find("Grant", id) !== undefined);
    return { version: 1, origin, grants, records };
  }

  #of(model: Model): Map<string, Entry> {
    const entries = this.#entries.get(model);
    if (entries === undefined) throw new Error(`no such model: ${model}`);
    return entries;
  }

  #insert(entry: Entry): void {
    const entries = this.#of(entry.model);
    const former = entries.get(entry.id);
    if (former !== undefined) this.#drop(former);
    entries.set(entry.id, entry);
    const { grantId } = entry.payload;
    if (grantId === undefined) return;
    const siblings = this.#ofGrant.get(grantId) ?? new Set();
    this.#ofGrant.set(grantId, siblings.add(entry));
    const most = maxOfGrant[entry.model] ?? Infinity;
    const same = [...siblings].filter(({ model }) => model === entry.model);
    for (const oldest of same.slice(0, Math.max(0, same.length - most))) this.#drop(oldest);
  }

  #drop(entry: Entry): void {
    this.#of(entry.model).delete(entry.id);
    const { grantId } = entry.payload;
    if (grantId === undefined) return;
    const siblings = this.#ofGrant.get(grantId);
    siblings?.delete(entry);
    if (siblings?.size === 0) this.#ofGrant.delete(grantId);
  }

  /** A grant lasts as long as its youngest refresh token. */
  #extend(grantId: string | undefined, expiresAtMs: number): void {
    const entry = grantId === undefined ? undefined : this.find("Grant", grantId);
    if (entry === undefined) return;
    entry.expiresAtMs = expiresAtMs;
    entry.payload.exp = Math.floor(expiresAtMs / 1_000);
  }

  /** Of clients that nobody uses one leaves if they are too many: see `firstToLeave`. */
  #dropUnused(model: Model): void {
    const most = maxUnused[model];
    const clients = this.#of(model);
    if (most === undefined || clients.size <= most) return;
    const used = this.#clientsInUse();
    const unused = [...clients.values()].filter(({ id }) => !used.has(id));
    if (unused.length <= most) return;
    const id = firstToLeave(unused.map((entry) => [entry.id, entry.crowd] as const));
    if (id !== undefined) clients.delete(id);
  }

  /** Ids of clients that have a grant, or for which somebody is asked for one. */
  #clientsInUse(): ReadonlySet<unknown> {
    const used = new Set<unknown>([...this.#grants.values()].map(({ clientId }) => clientId));
    for (const { payload } of this.#of("Interaction").values()) used.add(payload.params?.["client_id"]);
    return used;
  }

  #sweep(): void {
    const now = Date.now();
    if (now - this.#sweptAtMs < sweepIntervalMs) return;
    this.#sweptAtMs = now;
    for (const [model, entries] of this.#entries) {
      for (const entry of entries.values()) {
        if (!isExpired(entry)) continue;
        if (model === "Grant") this.endGrant(entry.id);
        else this.#drop(entry);
      }
    }
  }

  #changed(model: Model): void {
    if (models[model].lasts === "later") this.#hasMore = true;
    if (models[model].lasts === "soon") this.#events.changed();
  }
}

export const toMinute = (timeMs: number): number => Math.floor(timeMs / minuteMs) * minuteMs;

const isExpired = ({ expiresAtMs }: Entry): boolean => expiresAtMs !== undefined && expiresAtMs <= Date.now();
