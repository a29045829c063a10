import { TunnelError } from "mcp-tunnel-protocol";
import { connectTo, loadLibrary } from "./client.js";
import type { Client } from "./client.js";
import { isDemoted, isUnknownScript, unavailable, unconnected } from "./errors.js";
import { nameOf } from "./options.js";
import type { RedisPlace, Server } from "./options.js";
import type { Script } from "./scripts/script.js";
import { primaryOf } from "./sentinel.js";
import { within } from "./within.js";

/** How long a call may take, whatever happens. */
const callMs = 2_000;
/** How long each step on the way to a server may take. */
const connectMs = 1_000;
/** Pauses between attempts to connect again. */
const firstPauseMs = 100;
const longestPauseMs = 1_000;
/** A connection that lasted this long, in milliseconds, proves that the server is of use. */
const stableAfterMs = 5_000;

export interface ConnectionEvents {
  /** A message of the channel. */
  onMessage(message: string): void;
  /** There is a connection again, and messages may have been missed. */
  onBack(): void;
  onWarning(warning: string): void;
}

/**
 * `connecting`: the first call has asked for a connection, or the last one has just broken; calls wait for
 * it. `down`: the last attempt has failed, and the next one is due soon; calls fail at once.
 */
type State =
  | { readonly kind: "idle" }
  | { readonly kind: "connecting"; readonly client: Promise<Client> }
  | { readonly kind: "up"; readonly client: Client }
  | { readonly kind: "down"; readonly reason: TunnelError; readonly timer: NodeJS.Timeout }
  | { readonly kind: "closed" };

/**
 * The way to the primary, found anew after it was lost, for commands and for messages alike: whoever can ask
 * also hears. It is opened by the first call.
 */
export class RedisConnection {
  readonly #place: RedisPlace;
  readonly #channel: string;
  readonly #events: ConnectionEvents;
  #state: State = { kind: "idle" };
  #wasUp = false;
  #pauseMs = firstPauseMs;
  /** When the last connection was there, by `performance.now()`; Infinity after a pause has begun. */
  #upSinceMs = Number.POSITIVE_INFINITY;
  /** The server that is asked, for messages. */
  #where: string;

  constructor(place: RedisPlace, channel: string, events: ConnectionEvents) {
    this.#place = place;
    this.#channel = channel;
    this.#events = events;
    this.#where = place.servers.map(nameOf).join(", ");
  }

  /**
   * Runs a script.
   * @throws TunnelError `unavailable`, after two seconds at most.
   */
  run({ name, sha, text }: Script, base: string, args: readonly string[]): Promise<unknown> {
    const rest = ["1", base, ...args];
    return this.#call(name, async (client) => {
      try {
        return await client.sendCommand(["EVALSHA", sha, ...rest]);
      } catch (error) {
        if (!isUnknownScript(error)) throw error;
        // Runs it, and makes the server know it from now on.
        return client.sendCommand(["EVAL", text, ...rest]);
      }
    });
  }

  /** The same for a plain command. `doing` completes "Redis could not". */
  send(doing: string, args: string[]): Promise<unknown> {
    return this.#call(doing, (client) => client.sendCommand(args));
  }

  get isClosed(): boolean {
    return this.#state.kind === "closed";
  }

  close(): void {
    const state = this.#state;
    this.#state = { kind: "closed" };
    if (state.kind === "up") state.client.destroy();
    if (state.kind === "down") clearTimeout(state.timer);
  }

  async #call<T>(doing: string, work: (client: Client) => Promise<T>): Promise<T> {
    // The time that the library takes to load, on a busy machine, says nothing of the server.
    await loadLibrary();
    let asked: Client | undefined;
    let late: TunnelError | undefined;
    const call = async (): Promise<T> => {
      asked = await this.#client();
      // A claim that nobody waits for any more would take the name from whoever has it.
      if (late !== undefined) throw late;
      return work(asked);
    };
    try {
      return await within(call(), callMs, () => (late = this.#late(doing, callMs)));
    } catch (error) {
      const reason = unavailable(error, doing, this.#where);
      // Neither a server that hangs nor one that was demoted ends its connections by itself.
      if (asked !== undefined && isDemoted(error)) this.#leave(asked, reason);
      else if (asked !== undefined && late !== undefined) this.#lose(asked, reason);
      throw reason;
    }
  }

  #late(doing: string, ms: number): TunnelError {
    return new TunnelError(
      "unavailable",
      `Redis at ${this.#where} did not ${doing} within ${ms} ms: no answer`,
    );
  }

  #client(): Promise<Client> {
    switch (this.#state.kind) {
      case "up":
        return Promise.resolve(this.#state.client);
      case "connecting":
        return this.#state.client;
      case "idle":
        return this.#connect();
      case "down":
        return Promise.reject(this.#state.reason);
      case "closed":
        return Promise.reject(
          new TunnelError("unavailable", "the connection to Redis was closed by this relay"),
        );
    }
  }

  #connect(): Promise<Client> {
    const client = this.#open();
    this.#state = { kind: "connecting", client };
    // Nobody may wait for an attempt after a loss.
    client.catch(() => {});
    return client;
  }

  async #open(): Promise<Client> {
    try {
      const client = await this.#reach();
      if (this.#state.kind === "closed") {
        client.destroy();
        throw new TunnelError("unavailable", "the connection to Redis was closed by this relay");
      }
      this.#state = { kind: "up", client };
      this.#upSinceMs = performance.now();
      if (this.#wasUp) {
        this.#events.onWarning(`connected to Redis at ${this.#where} again`);
        this.#events.onBack();
      }
      this.#wasUp = true;
      return client;
    } catch (error) {
      const reason = unconnected(error, this.#where);
      if (this.#state.kind !== "closed") this.#state = this.#wasUp ? this.#pause(reason) : { kind: "idle" };
      throw reason;
    }
  }

  /** Finds the primary, and listens to the channel there. */
  async #reach(): Promise<Client> {
    const { master, servers, user, password, database } = this.#place;
    const server = master === undefined ? (servers[0] as Server) : await primaryOf(this.#place, master);
    this.#where = nameOf(server);
    const onEnd = (client: Client, cause: unknown): void => {
      this.#lose(client, unavailable(cause, "keep the connection", this.#where));
    };
    const login = { user, password, database };
    const client = await connectTo(server, this.#place, login, connectMs, onEnd);
    try {
      const ready = this.#prepare(client, master !== undefined);
      await within(ready, connectMs, () => this.#late("take the connection", connectMs));
      return client;
    } catch (error) {
      client.destroy();
      throw error;
    }
  }

  async #prepare(client: Client, isWatched: boolean): Promise<void> {
    if (isWatched) {
      // A sentinel that is cut off names a server that was demoted meanwhile.
      const role: unknown = await client.sendCommand(["ROLE"]);
      const [kind] = Array.isArray(role) ? (role as unknown[]) : [];
      if (kind !== "master")
        throw new Error("READONLY it is a replica, and the sentinels name no other primary");
    }
    await client.subscribe(this.#channel, (message) => this.#events.onMessage(message));
  }

  /** Gives a connection up, and connects anew. */
  #lose(client: Client, reason: TunnelError): void {
    if (this.#giveUp(client, reason)) void this.#connect();
  }

  /**
   * The same for a server that takes connections but no writes. It may stay so, and each connection is news
   * after which the relay writes again: without a pause the two would go round and round.
   */
  #leave(client: Client, reason: TunnelError): void {
    if (this.#giveUp(client, reason)) this.#state = this.#pause(reason);
  }

  /** Returns false if that was done already. */
  #giveUp(client: Client, reason: TunnelError): boolean {
    if (this.#state.kind !== "up" || this.#state.client !== client) return false;
    this.#events.onWarning(reason.message);
    client.destroy();
    return true;
  }

  #pause(reason: TunnelError): State {
    if (performance.now() - this.#upSinceMs >= stableAfterMs) this.#pauseMs = firstPauseMs;
    this.#upSinceMs = Number.POSITIVE_INFINITY;
    const ms = this.#pauseMs * (0.75 + Math.random() / 2);
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestPauseMs);
    return { kind: "down", reason, timer: setTimeout(() => void this.#connect(), ms) };
  }
}
