import type { Adapter, AdapterFactory, AdapterPayload } from "oidc-provider";
import { addressOf } from "./address.js";
import type { Library } from "./load.js";
import { digest, isModel } from "./records.js";
import type { Model, Records } from "./records.js";

/**
 * For how long a refresh token that was used still counts as fresh, in seconds. The answer with its successor
 * may have been lost, or two windows of a host may refresh at once. The library ends the whole grant when a
 * used token comes back (`lib/actions/grants/refresh_token.js`), and the person would have to consent anew.
 */
const refreshGraceSeconds = 60;

/** Ids that are no secrets. All others are kept as digests. */
const publicIds: ReadonlySet<Model> = new Set(["Client", "Grant"]);

/** The id under which a record is kept. */
export function keyOf(model: Model, id: string): string {
  return publicIds.has(model) ? id : digest(id);
}

/** The authorization server's way to its records. */
export function adapterFor(records: Records, { Provider }: Library): AdapterFactory {
  const visitor = (): string | undefined => addressOf(Provider.ctx?.req);
  return (model) => (isModel(model) ? new RecordsAdapter(model, records, visitor) : new NoAdapter());
}

class RecordsAdapter implements Adapter {
  readonly #model: Model;
  readonly #records: Records;
  /** The address of the visitor whose request is being answered. */
  readonly #visitor: () => string | undefined;

  constructor(model: Model, records: Records, visitor: () => string | undefined) {
    this.#model = model;
    this.#records = records;
    this.#visitor = visitor;
  }

  async upsert(id: string, payload: AdapterPayload, ttlSeconds: number | undefined): Promise<void> {
    const origin = { ttlSeconds, address: this.#visitor() };
    this.#records.put(this.#model, keyOf(this.#model, id), withoutSecrets(payload), origin);
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const entry = this.#records.find(this.#model, keyOf(this.#model, id));
    if (entry === undefined) return undefined;
    const { consumed, ...payload } = entry.payload;
    // A client's properties have to be the same each time: the library keeps clients by their digest.
    if (this.#model === "Client") return payload;
    const isUsed = consumed !== undefined && !(this.#model === "RefreshToken" && isInGrace(Number(consumed)));
    return { ...payload, jti: id, ...(isUsed && { consumed }) };
  }

  async consume(id: string): Promise<void> {
    this.#records.consume(this.#model, keyOf(this.#model, id));
  }

  async destroy(id: string): Promise<void> {
    this.#records.remove(this.#model, keyOf(this.#model, id));
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    this.#records.removeOfGrant(this.#model, grantId);
  }

  // Sessions and user codes alone are found in these ways.
  async findByUid(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
}

/**
 * Keeps nothing. The library's sessions would remember in the browser who consented. Each flow stands for
 * itself here.
 */
class NoAdapter implements Adapter {
  async upsert(): Promise<void> {}
  async find(): Promise<undefined> {}
  async findByUid(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async consume(): Promise<void> {}
  async destroy(): Promise<void> {}
  async revokeByGrantId(): Promise<void> {}
}

/** `jti` is the token itself. */
function withoutSecrets({ jti: _token, client_secret: secret, ...payload }: AdapterPayload): AdapterPayload {
  return { ...payload, ...(secret !== undefined && { client_secret: digest(secret) }) };
}

const isInGrace = (consumedAtSeconds: number): boolean =>
  Date.now() < (consumedAtSeconds + refreshGraceSeconds) * 1_000;
