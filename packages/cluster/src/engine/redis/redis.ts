import { TunnelError } from "mcp-tunnel-protocol";
import type { Verdict } from "../../directory.js";
import { defaultTimes, stickyMs } from "../engine.js";
import type {
  ClaimAnswer,
  ClaimRequest,
  Engine,
  EngineEvent,
  EngineTimes,
  Entry,
  Held,
  Lost,
  NodeInfo,
} from "../engine.js";
import { RedisConnection } from "./connection.js";
import { keysOf } from "./keys.js";
import type { Keys } from "./keys.js";
import { redisPlace } from "./options.js";
import type { RedisOptions } from "./options.js";
import * as reading from "./reading.js";
import { Reconcile } from "./reconcile.js";
import { claim } from "./scripts/claim.js";
import { change, find, release } from "./scripts/names.js";
import { leave, listNodes, renew } from "./scripts/nodes.js";
import type { Script } from "./scripts/script.js";
import { stick, stuck } from "./scripts/sessions.js";
import { lock, write } from "./scripts/shared.js";

/**
 * The engine of relays on several machines: Redis 6.2 or later, or Valkey. What must happen in one step is
 * one script there. Its clock is the server's.
 *
 * Redis is asked for consistency no more than it gives: a failover may lose what was acknowledged. Then the
 * reconcile of each relay puts its entries back, and the generations decide between claims.
 */
export class RedisEngine implements Engine {
  readonly #times: EngineTimes;
  readonly #keys: Keys;
  readonly #makeConnection: () => RedisConnection;
  #connection: RedisConnection;
  readonly #onWarning: (warning: string) => void;
  #lastWarning = "";
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  readonly #reconciles = new Set<Reconcile>();

  /** @throws TunnelError `invalid_option`. Connects at the first call. */
  constructor(options: RedisOptions) {
    const place = redisPlace(options);
    this.#times = { ...defaultTimes, ...options.times };
    this.#onWarning = options.onWarning;
    this.#keys = keysOf(place.prefix);
    this.#makeConnection = () =>
      new RedisConnection(place, this.#keys.events, {
        onMessage: (message) => this.#onMessage(message),
        // Whatever has happened meanwhile was not heard.
        onBack: () => this.#tell({ kind: "nodes" }),
        onWarning: options.onWarning,
      });
    this.#connection = this.#makeConnection();
  }

  // ---- nodes

  async join(node: NodeInfo): Promise<void> {
    if (this.#connection.isClosed) this.#connection = this.#makeConnection();
    await this.renew(node);
  }

  async renew(node: NodeInfo): Promise<void> {
    await this.#run(renew, node.id, reading.nodeText(node), this.#times.leaseMs);
  }

  async leave(node: string): Promise<void> {
    await this.#run(leave, node);
  }

  async nodes(): Promise<NodeInfo[]> {
    return texts(await this.#run(listNodes)).flatMap(
      (json) => reading.readNode(json) ?? this.#unreadable("a relay", json),
    );
  }

  // ---- names

  async find(name: string): Promise<Entry[]> {
    return this.#entries(name, texts(await this.#run(find, name, this.#times.keepNamesMs)));
  }

  async claim({ name, node, info, mayEvict, maxOwned }: ClaimRequest): Promise<ClaimAnswer> {
    const { keepNamesMs, verdictMs } = this.#times;
    const reply = texts(
      await this.#run(
        claim,
        name,
        node,
        reading.infoText(info),
        mayEvict ? 1 : 0,
        // "Infinity" is none that Lua reads.
        Math.min(maxOwned, Number.MAX_SAFE_INTEGER),
        keepNamesMs,
        reading.evictedText,
        verdictMs,
      ),
    );
    const [first = "", ...displaced] = reply;
    if (first === "gate" || first === "taken" || first === "limit") return { refused: first };
    const gen = reading.readGen(first);
    if (gen === undefined) {
      throw new TunnelError("unavailable", "what answers as Redis does not run the scripts of mcp-tunnel");
    }
    return { gen, displaced: this.#entries(name, displaced) };
  }

  async release(name: string, gen: number): Promise<boolean> {
    this.#touch(name, gen);
    return (await this.#run(release, name, gen)) === 1;
  }

  async changed(name: string, gen: number, moving: boolean): Promise<void> {
    this.#touch(name, gen);
    await this.#run(change, name, gen, moving ? 1 : 0);
  }

  async reconcile(node: string, held: readonly Held[]): Promise<Lost[]> {
    const reconcile = new Reconcile(node, held, this.#times, (script, ...args) => this.#run(script, ...args));
    this.#reconciles.add(reconcile);
    try {
      const { lost, putBack } = await reconcile.run();
      if (putBack > 0) this.#onWarning(`Redis had lost ${putBack} names of this relay; they were put back`);
      return lost;
    } finally {
      this.#reconciles.delete(reconcile);
    }
  }

  /** A reconcile that is going on has an older picture of this tunnel. */
  #touch(name: string, gen: number): void {
    for (const reconcile of this.#reconciles) reconcile.leaveOut(name, gen);
  }

  #entries(name: string, lines: readonly string[]): Entry[] {
    return lines.flatMap(
      (line) => reading.readEntry(name, line) ?? this.#unreadable(`the name ${name}`, line),
    );
  }

  // ---- sessions

  async verdict(session: string): Promise<Verdict | undefined> {
    const reply = await this.#connection.send("look a verdict up", [
      "GET",
      `${this.#keys.base}verdict:${session}`,
    ]);
    return typeof reply === "string" ? reading.readVerdict(reply) : undefined;
  }

  async remember(session: string, verdict: Verdict): Promise<void> {
    const place = `${this.#keys.base}verdict:${session}`;
    const text = reading.verdictText(verdict);
    await this.#connection.send("keep a verdict", ["SET", place, text, "PX", String(this.#times.verdictMs)]);
  }

  async stick(name: string, digest: string, gen: number): Promise<void> {
    await this.#run(stick, name, digest, gen, stickyMs);
  }

  async stuck(name: string, digest: string): Promise<number | undefined> {
    const reply = await this.#run(stuck, name, digest, this.#times.keepNamesMs, stickyMs);
    return typeof reply === "string" ? reading.readGen(reply) : undefined;
  }

  // ---- what nodes share besides

  async read(key: string): Promise<{ readonly text: string; readonly revision: number } | undefined> {
    const reply = await this.#connection.send("read a shared text", ["GET", `${this.#keys.base}text:${key}`]);
    if (typeof reply !== "string") return undefined;
    const space = reply.indexOf(" ");
    const revision = reading.readGen(reply.slice(0, space));
    return revision === undefined ? undefined : { text: reply.slice(space + 1), revision };
  }

  async write(key: string, text: string, expected: number): Promise<boolean> {
    return (await this.#run(write, key, text, expected)) === 1;
  }

  async lock(key: string, node: string, ms: number): Promise<boolean> {
    return (await this.#run(lock, key, node, ms)) === 1;
  }

  // ---- events

  watch(listener: (event: EngineEvent) => void): () => void {
    // A function of its own, so that a listener that is given twice is called twice.
    const told = (event: EngineEvent): void => listener(event);
    this.#listeners.add(told);
    return () => this.#listeners.delete(told);
  }

  #onMessage(message: string): void {
    const event = reading.readEvent(message);
    if (event === undefined) this.#unreadable("an event", message);
    else this.#tell(event);
  }

  /** In a turn of its own, so that an error of a listener is not the connection's. */
  #tell(event: EngineEvent): void {
    for (const listener of this.#listeners) {
      queueMicrotask(() => {
        if (this.#listeners.has(listener)) listener(event);
      });
    }
  }

  /** The clock of the server, in milliseconds since 1970: claims and leases go by it. */
  async clock(): Promise<number> {
    const [seconds, micros] = texts(await this.#connection.send("tell the time", ["TIME"])).map(Number);
    const ms = (seconds ?? Number.NaN) * 1_000 + (micros ?? Number.NaN) / 1_000;
    if (Number.isFinite(ms)) return ms;
    throw new TunnelError("unavailable", "Redis told the time in a form that is not known");
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#connection.close();
  }

  #run(script: Script, ...args: readonly (string | number)[]): Promise<unknown> {
    return this.#connection.run(script, this.#keys.base, args.map(String));
  }

  #unreadable(what: string, text: string): [] {
    const warning = `what Redis has of ${what} cannot be read, and counts as none: ${reading.excerpt(text)}`;
    // A name may be asked for a thousand times a second.
    if (warning !== this.#lastWarning) this.#onWarning(warning);
    this.#lastWarning = warning;
    return [];
  }
}

function items(reply: unknown): unknown[] {
  return Array.isArray(reply) ? reply : [];
}

function texts(reply: unknown): string[] {
  return items(reply).filter((item) => typeof item === "string");
}
