import { timingSafeEqual } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { maxTimerMs, TunnelError } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import type { Logger } from "../telemetry/log.js";
import { formatProblems } from "mcp-tunnel-config";
import { FileTask, readRegularFile, stampOf } from "mcp-tunnel-config/files";
import { type StaleSource, Staleness } from "../files/staleness.js";
import type {
  AuthenticationResult,
  Authenticator,
  Credentials,
  RevokedListener,
  TokenGrant,
} from "./authenticator.js";
import { grants, revokedReason, unauthorizedReason } from "./patterns.js";
import { parseTokenList, secretsOf, type TokenEntry, tokenDigest, tokenId } from "./token-list.js";

/** How often the file is looked at, in milliseconds. */
const pollIntervalMs = 500;

/** A secret of the file. It stays the same object when the file changes, so that its tunnels can watch it. */
class FileToken implements TokenGrant {
  readonly id: string;
  readonly #digest: Buffer;
  /** `undefined` once the file no longer has the token. */
  #entry: TokenEntry | undefined;
  readonly #watchers = new Set<() => void>();

  constructor(entry: TokenEntry) {
    this.id = tokenId(entry.sha256);
    this.#digest = Buffer.from(entry.sha256);
    this.#entry = entry;
  }

  /** Compares in constant time. */
  hasDigest(digest: Buffer): boolean {
    return timingSafeEqual(this.#digest, digest);
  }

  get note(): string | undefined {
    return this.#entry?.note;
  }

  get maxTunnels(): number | undefined {
    return this.#entry?.maxTunnels;
  }

  get maxRequestsPerSecond(): number | undefined {
    return this.#entry?.maxRequestsPerSecond;
  }

  get maxBytesPerSecond(): number | undefined {
    return this.#entry?.maxBytesPerSecond;
  }

  get expiresAt(): number | undefined {
    return this.#entry?.expiresAt;
  }

  get allowed(): readonly string[] {
    return this.#entry?.subdomains ?? [];
  }

  /** Why the token gives no rights; `undefined` when it does. */
  get invalid(): string | undefined {
    if (this.#entry === undefined) return revokedReason;
    return (this.#entry.expiresAt ?? Infinity) <= Date.now() ? "token expired" : undefined;
  }

  refusal(name: string): string | undefined {
    if (this.invalid !== undefined) return this.invalid;
    return grants(this.allowed, name) ? undefined : unauthorizedReason(name);
  }

  watch(changed: () => void): () => void {
    // A closure of its own, so that the same function may watch twice.
    const watcher = (): void => changed();
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /**
   * Takes over the entry of the file, `undefined` if the file no longer has the token. Returns whether it
   * differs.
   */
  replace(entry: TokenEntry | undefined): boolean {
    if (isDeepStrictEqual(entry, this.#entry)) return false;
    this.#entry = entry;
    this.notify();
    return true;
  }

  notify(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/**
 * Knows the tokens of a file, and reads the file again when it changes and on {@link reload}. A file that
 * cannot be read or is not well formed changes no tokens. It is logged, and {@link stale} says so until the
 * file can be read again.
 */
export class TokenFileAuthenticator implements Authenticator {
  readonly mode = "token file";
  readonly #path: string;
  readonly #logger: Logger;
  readonly #tokens = new Map<string, FileToken>();
  readonly #revoked = new Set<RevokedListener>();
  readonly #staleness: Staleness;
  readonly #look: FileTask<string>;
  readonly #reading: FileTask<TokensRead>;
  /**
   * The state of the file when it was read last, good or bad; `undefined` when it has to be read again in any
   * case.
   */
  #readStamp: string | undefined;
  /** The state of the file at the last look. */
  #seenStamp: string;
  #pollTimer: NodeJS.Timeout | undefined;
  #expiryTimer: NodeJS.Timeout | undefined;
  #reloading: Promise<void> = Promise.resolve();
  #closed = false;

  /**
   * @throws TunnelError `unavailable` when the file cannot be read; `invalid_option` when it has mistakes,
   * with their lines.
   */
  static async open(path: string, logger: Logger): Promise<TokenFileAuthenticator> {
    const read = await readTokens(path);
    if ("problems" in read) {
      const message = `the token file has mistakes\n${read.problems}`;
      throw new TunnelError("invalid_option", message, { file: path });
    }
    return new TokenFileAuthenticator(path, logger, read.stamp, read.entries);
  }

  private constructor(path: string, logger: Logger, stamp: string, entries: readonly TokenEntry[]) {
    this.#path = path;
    this.#logger = logger;
    this.#staleness = new Staleness("tokens", path);
    this.#look = new FileTask(() => stampOf(path));
    this.#reading = new FileTask(() => readTokens(path));
    this.#readStamp = stamp;
    this.#seenStamp = stamp;
    this.#take(entries);
    this.#schedulePoll();
  }

  /** The number of tokens, expired ones included, and of the secrets that are kept beside them. */
  get size(): number {
    return this.#tokens.size;
  }

  get stale(): readonly StaleSource[] {
    const { current } = this.#staleness;
    return current === undefined ? [] : [current];
  }

  async authenticate({ token }: Credentials): Promise<AuthenticationResult> {
    const digest = Buffer.from(tokenDigest(token));
    let known: FileToken | undefined;
    // All tokens are compared, so that the time tells nothing about a token (10,000 take 3 ms).
    for (const candidate of this.#tokens.values()) if (candidate.hasDigest(digest)) known = candidate;
    if (known === undefined) return { refused: "invalid token" };
    if (known.invalid !== undefined) return { refused: known.invalid };
    return { allowed: known.allowed, grant: known };
  }

  watchRevoked(revoked: RevokedListener): () => void {
    // A closure of its own, so that the same function may watch twice.
    const watcher: RevokedListener = (token, allowed) => revoked(token, allowed);
    this.#revoked.add(watcher);
    return () => this.#revoked.delete(watcher);
  }

  /** `allowed`: the patterns that the token still has; `undefined` when it gives no rights any more. */
  #tellRevoked(token: FileToken, allowed?: readonly string[]): void {
    for (const watcher of [...this.#revoked]) watcher(token.id, allowed);
  }

  /** Reads the file now, changed or not. Never rejects. */
  reload(): Promise<void> {
    return this.#afterOthers(false);
  }

  /** Reloads follow one another, so that the last to read is the last to be believed. */
  #afterOthers(isRetry: boolean): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload(isRetry));
    return this.#reloading;
  }

  /** Does not wait for a file that is being read. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#pollTimer);
    clearTimeout(this.#expiryTimer);
  }

  #schedulePoll(): void {
    if (this.#closed) return;
    this.#pollTimer = setTimeout(() => void this.#poll(), pollIntervalMs);
    this.#pollTimer.unref();
  }

  async #poll(): Promise<void> {
    const stamp = await this.#look.run().catch(() => "stuck");
    // Two looks have to see the same state. Half-way through an edit in place the file is cut short. It could
    // still be well formed then, and lack the tokens at its end.
    if (stamp === this.#seenStamp && stamp !== this.#readStamp && !this.#closed) {
      await this.#afterOthers(this.#readStamp === undefined);
    }
    this.#seenStamp = stamp;
    this.#schedulePoll();
  }

  /** `isRetry`: a problem that is still the same is not logged again. */
  async #reload(isRetry: boolean): Promise<void> {
    if (this.#closed) return;
    const file = this.#path;
    const read = await this.#reading.run().catch((error: unknown) => {
      // Such a failure may pass without a trace on the file: too many open files, a share that is away,
      // rights of the folder.
      return { stamp: undefined, problems: messageOf(error) };
    });
    if (this.#closed) return;
    this.#readStamp = read.stamp;
    if ("problems" in read) {
      const isNews = this.#staleness.failed(read.problems);
      if (isRetry && !isNews) return;
      for (const problem of read.problems.split("\n")) {
        this.#logger.error({ file, problem }, "the token file is not usable; the tokens stay as they were");
      }
      return;
    }
    this.#staleness.refreshed();
    this.#logger.info({ file, ...this.#take(read.entries) }, "token file read again");
  }

  #take(entries: readonly TokenEntry[]): { tokens: number; added: number; changed: number; removed: number } {
    const counts = { tokens: entries.length, added: 0, changed: 0, removed: 0 };
    const gone = new Map(this.#tokens);
    for (const entry of entries.flatMap(secretsOf)) {
      const known = this.#tokens.get(entry.sha256);
      gone.delete(entry.sha256);
      if (known === undefined) {
        counts.added += 1;
        this.#tokens.set(entry.sha256, new FileToken(entry));
      } else if (this.#change(known, entry)) counts.changed += 1;
    }
    for (const [sha256, token] of gone) {
      counts.removed += 1;
      this.#tokens.delete(sha256);
      token.replace(undefined);
      this.#tellRevoked(token);
    }
    this.#scheduleExpiry();
    return counts;
  }

  /** Returns whether the token differs from what it was. */
  #change(token: FileToken, entry: TokenEntry): boolean {
    const before = token.allowed;
    if (!token.replace(entry)) return false;
    if (token.invalid !== undefined) this.#tellRevoked(token);
    else if (before.some((pattern) => !token.allowed.includes(pattern))) {
      this.#tellRevoked(token, token.allowed);
    }
    return true;
  }

  /** Wakes when the next token expires, so that its tunnels end then and not at their next registration. */
  #scheduleExpiry(): void {
    clearTimeout(this.#expiryTimer);
    const now = Date.now();
    const times = [...this.#tokens.values()].map((token) => token.expiresAt ?? Infinity);
    const next = Math.min(Infinity, ...times.filter((time) => time > now));
    if (next === Infinity) return;
    this.#expiryTimer = setTimeout(
      () => {
        for (const token of this.#tokens.values()) if (token.invalid !== undefined) token.notify();
        this.#scheduleExpiry();
      },
      Math.min(next - now, maxTimerMs),
    );
    this.#expiryTimer.unref();
  }
}

/** The state of a file, and its tokens or its mistakes. */
type TokensRead = { stamp: string } & ({ entries: TokenEntry[] } | { problems: string });

/** @throws TunnelError `unavailable` when the file cannot be read. */
async function readTokens(path: string): Promise<TokensRead> {
  // The stamp is taken before the contents, so that the next look sees a change in between.
  const stamp = await stampOf(path);
  let text: string;
  try {
    text = await readRegularFile(path);
  } catch (error) {
    const message = `cannot read the token file ${path}: ${(error as Error).message}`;
    throw new TunnelError("unavailable", message, { cause: error, file: path });
  }
  const read = parseTokenList(text);
  if ("problems" in read) return { stamp, problems: formatProblems(path, read.problems) };
  return { stamp, entries: read.value };
}
