import type { NewToken, TokenRow } from "mcp-tunnel-dashboard/model";
import { stampOf } from "mcp-tunnel-config/files";
import { TunnelError } from "mcp-tunnel-protocol";
import { type Answer, ApiProblem, type ApiVisit, readJson } from "mcp-tunnel-shared/page";
import { createToken, editToken, listTokens, revokeToken, rotateToken } from "../auth/token-file-edit.js";
import { type TokenEntry, tokenId } from "../auth/token-list.js";
import { sendJson } from "./send.js";
import type { AdminSource } from "./source.js";
import { readNewToken, readTokenChanges } from "./token-bodies.js";

/** Bytes of the longest body. A token has few fields. */
const maxBodyBytes = 65_536;

/**
 * `/api/tokens`: the tokens of the file that the relay follows. After each change the relay reads the file
 * before the answer goes out, so that whoever has the answer finds the relay changed.
 */
export class TokensApi {
  readonly #path: string;
  readonly #source: AdminSource;
  /** The file as it was read last, and its state then. */
  #read: { readonly stamp: string; readonly entries: readonly TokenEntry[] } | undefined;

  constructor(path: string, source: AdminSource) {
    this.#path = path;
    this.#source = source;
  }

  readonly list: Answer = async ({ res }) => {
    const [entries, { tunnels }] = await Promise.all([this.#entries(), this.#source.tunnels("all")]);
    const counts = new Map<string, number>();
    for (const { token, state } of tunnels) {
      if (token !== undefined && state !== "leaving") counts.set(token, (counts.get(token) ?? 0) + 1);
    }
    const tokens = entries.map(
      (entry): TokenRow => ({ ...fieldsOf(entry), tunnels: tunnelsOf(entry, counts) }),
    );
    sendJson(res, { tokens });
  };

  readonly create: Answer = async ({ req, res }) => {
    const fields = readNewToken(await readJson(req, maxBodyBytes));
    const { id, token } = await this.#changing(() => createToken(this.#path, fields));
    sendJson(res, { id, token } satisfies NewToken, 201);
  };

  readonly edit: Answer = async (visit) => {
    const changes = readTokenChanges(await readJson(visit.req, maxBodyBytes));
    const edited = await this.#changingOne(visit, (sha256) => editToken(this.#path, sha256, changes));
    sendJson(visit.res, fieldsOf(edited));
  };

  readonly rotate: Answer = async (visit) => {
    const { id, token } = await this.#changingOne(visit, (sha256) => rotateToken(this.#path, sha256));
    sendJson(visit.res, { id, token } satisfies NewToken);
  };

  readonly revoke: Answer = async (visit) => {
    const { sha256 } = await this.#changingOne(visit, (digest) => revokeToken(this.#path, digest));
    sendJson(visit.res, { revoked: tokenId(sha256) });
  };

  /** Changes the token that the path names, by its whole digest, so that no token is taken for another. */
  async #changingOne<T>(visit: ApiVisit, change: (sha256: string) => Promise<T>): Promise<T> {
    const sha256 = await this.#digestOf(visit);
    try {
      return await this.#changing(() => change(sha256));
    } catch (error) {
      // Another edit may have come first, and have taken the token back or given it another digest.
      await this.#digestOf(visit);
      throw error;
    }
  }

  async #digestOf({ args: [id = ""] }: ApiVisit): Promise<string> {
    const entry = (await this.#entries()).find(({ sha256 }) => tokenId(sha256) === id);
    if (entry !== undefined) return entry.sha256;
    throw new ApiProblem(404, "not_found", `no token of the file has the id '${id}' (any more)`);
  }

  /** The tokens of the file, which is parsed only when it has changed: a page asks every few seconds. */
  async #entries(): Promise<readonly TokenEntry[]> {
    return await inTerms(async () => {
      // Before the contents, so that the next look sees a change in between.
      const stamp = await stampOf(this.#path);
      if (stamp !== this.#read?.stamp) this.#read = { stamp, entries: await listTokens(this.#path) };
      return this.#read.entries;
    });
  }

  async #changing<T>(change: () => Promise<T>): Promise<T> {
    const changed = await inTerms(change);
    await this.#source.reload();
    return changed;
  }
}

/** The token as the API shows it. */
function fieldsOf(entry: TokenEntry): Omit<TokenRow, "tunnels"> {
  const { sha256, subdomains, note, expiresAt, maxTunnels, maxRequestsPerSecond, maxBytesPerSecond } = entry;
  return {
    id: tokenId(sha256),
    subdomains,
    ...(note === undefined ? {} : { note }),
    ...(expiresAt === undefined ? {} : { expires: new Date(expiresAt).toISOString() }),
    ...(maxTunnels === undefined ? {} : { maxTunnels }),
    ...(maxRequestsPerSecond === undefined ? {} : { maxRequestsPerSecond }),
    ...(maxBytesPerSecond === undefined ? {} : { maxBytesPerSecond }),
  };
}

/** Tunnels of an old secret, which is good for a while after a rotation, are of the same token. */
function tunnelsOf({ sha256, previous }: TokenEntry, counts: ReadonlyMap<string, number>): number {
  const old = previous === undefined ? 0 : (counts.get(tokenId(previous.sha256)) ?? 0);
  return (counts.get(tokenId(sha256)) ?? 0) + old;
}

/**
 * Says in the API's terms why the file cannot be read or changed. A person has to look after the file in both
 * cases, and the message says how.
 */
async function inTerms<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    if (error.code === "unavailable") throw new ApiProblem(503, "unavailable", error.message);
    throw new ApiProblem(409, "cannot_change", error.message);
  }
}
