import { once } from "node:events";
import { createServer, Socket, type AddressInfo } from "node:net";
import { reset } from "./reset.js";

/** The direction of bytes: `up` from the connecting side to the target, `down` back. */
export type Direction = "up" | "down";

/** A TCP proxy between a client and its relay that breaks connections on command, the same way every time. */
export interface FaultProxy {
  readonly port: number;
  /** Connections that are open now. */
  readonly connections: number;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Bytes forwarded so far, over all connections. */
  readonly forwarded: Readonly<Record<Direction, number>>;
  /** Holds every byte back for this long in each direction, so that a round trip takes twice as long. */
  delayMs: number;
  /** Lets at most this many bytes per second through, per connection and direction; 0 is no limit. */
  bytesPerSecond: number;
  /** The port to which new connections go. */
  targetPort: number;
  /** Refuses new connections (accepts and resets them) while true. */
  refusing: boolean;
  /** Resets every open connection now (RST on both sides). */
  cut(): void;
  /**
   * Cuts a connection right after the `bytes`th byte from now in that direction: the connection that carries
   * this byte. Exactly so many bytes arrive, and nothing more of the other direction. Once. 0 cuts before the
   * next byte.
   */
  cutAfter(direction: Direction, bytes: number): void;
  /** Called when a cut ordered with `cutAfter` has struck. */
  onCut: () => void;
  /** Takes back the faults that `cutAfter` and `corruptAt` ordered and that have not struck yet. */
  clearFaults(): void;
  /** Flips the bits of the byte at `offset` from now in that direction. Once. */
  corruptAt(direction: Direction, offset: number): void;
  /**
   * Stops forwarding on the connections that are open now, in both directions, without closing either side. A
   * vanished NAT entry looks like this. New connections work.
   */
  halfOpen(): void;
  /** Resolves when the next connection has been accepted. */
  nextConnection(): Promise<void>;
  /** Resolves when no connection is open. */
  idle(): Promise<void>;
  /** Cuts everything and stops listening. */
  close(): Promise<void>;
}

/** Starts a proxy on a free port of loopback in front of `targetPort` on loopback. */
export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const pairs = new Set<Pair>();
  const waiting: (() => void)[] = [];
  const idlers: (() => void)[] = [];
  const faults: Fault[] = [];
  const forwarded = { up: 0, down: 0 };
  let accepted = 0;

  const server = createServer({ allowHalfOpen: true }, (near) => {
    if (proxy.refusing) {
      near.resetAndDestroy();
      return;
    }
    accepted += 1;
    const far = new Socket({ allowHalfOpen: true });
    const pair = new Pair(near, far, () => {
      pairs.delete(pair);
      if (pairs.size === 0) for (const resolve of idlers.splice(0)) resolve();
    });
    pairs.add(pair);
    far.connect(proxy.targetPort, "127.0.0.1");
    new Lane("up", near, far, pair, state);
    new Lane("down", far, near, pair, state);
    for (const resolve of waiting.splice(0)) resolve();
  });
  // The backlog is as long as the relay's own.
  server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 });
  await once(server, "listening");
  const proxy: FaultProxy = {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return pairs.size;
    },
    get accepted() {
      return accepted;
    },
    forwarded,
    targetPort,
    delayMs: 0,
    bytesPerSecond: 0,
    refusing: false,
    onCut: () => {},
    cut() {
      for (const pair of pairs) pair.reset();
    },
    cutAfter(direction, bytes) {
      faults.push({ direction, at: forwarded[direction] + bytes, kind: "cut" });
    },
    corruptAt(direction, offset) {
      faults.push({ direction, at: forwarded[direction] + offset, kind: "corrupt" });
    },
    clearFaults() {
      faults.length = 0;
    },
    halfOpen() {
      for (const pair of pairs) pair.silent = true;
    },
    nextConnection: () => new Promise((resolve) => waiting.push(resolve)),
    idle: () => (pairs.size === 0 ? Promise.resolve() : new Promise((resolve) => idlers.push(resolve))),
    async close() {
      for (const pair of pairs) pair.reset();
      server.close();
      await once(server, "close");
    },
  };
  const state: State = { proxy, faults, forwarded };
  return proxy;
}

/** A fault that strikes once, when the count of forwarded bytes in `direction` reaches `at`. */
interface Fault {
  direction: Direction;
  at: number;
  kind: "cut" | "corrupt";
}

/** State that the lanes of all connections share. */
interface State {
  proxy: FaultProxy;
  faults: Fault[];
  forwarded: Record<Direction, number>;
}

/** The two sockets of one proxied connection. */
class Pair {
  /** Set by `halfOpen` and by a cut: nothing is forwarded any more, not even an end. */
  silent = false;
  readonly #sockets: readonly [Socket, Socket];
  #open = 2;

  constructor(near: Socket, far: Socket, onGone: () => void) {
    this.#sockets = [near, far];
    for (const socket of this.#sockets) {
      socket.setNoDelay(true);
      // An error of one side resets the other, unless the pair has gone silent.
      socket.on("error", () => {});
      socket.on("close", (hadError) => {
        this.#open -= 1;
        if (hadError && !this.silent) this.reset();
        if (this.#open === 0) onGone();
      });
    }
  }

  reset(): void {
    for (const socket of this.#sockets) {
      if (socket.connecting) socket.destroy();
      else reset(socket);
    }
  }
}

/** One direction of one connection. */
class Lane {
  readonly #direction: Direction;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #pair: Pair;
  readonly #state: State;
  /** Pieces held back, in order, each with the time at which it is due. */
  readonly #held: { dueMs: number; action: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #throttleTimer: NodeJS.Timeout | undefined;
  /** The time at which the bytes so far have passed the throttle. */
  #freeAtMs = 0;
  #throttled = false;
  #blocked = false;

  constructor(direction: Direction, from: Socket, to: Socket, pair: Pair, state: State) {
    this.#direction = direction;
    this.#from = from;
    this.#to = to;
    this.#pair = pair;
    this.#state = state;
    from.on("data", (chunk) => {
      const throttledMs = this.#pass(chunk.length);
      this.#hold(throttledMs + state.proxy.delayMs, () => this.#forward(chunk));
      if (throttledMs === 0) return;
      // The throttle slows the sender down. The delay does not; otherwise it would be a throttle as well.
      this.#throttled = true;
      this.#flow();
      this.#throttleTimer = setTimeout(() => {
        this.#throttled = false;
        this.#flow();
      }, throttledMs);
    });
    from.on("end", () => {
      this.#hold(state.proxy.delayMs, () => {
        if (!pair.silent) to.end();
      });
    });
    to.on("drain", () => {
      this.#blocked = false;
      this.#flow();
    });
    to.on("close", () => {
      clearTimeout(this.#timer);
      clearTimeout(this.#throttleTimer);
      this.#held.length = 0;
      // Reading goes on: otherwise the end of `from` would never be seen.
      this.#throttled = false;
      this.#blocked = false;
      this.#flow();
    });
  }

  #flow(): void {
    if (this.#throttled || this.#blocked) this.#from.pause();
    else this.#from.resume();
  }

  /** The milliseconds until `bytes` more will have passed the throttle. */
  #pass(bytes: number): number {
    const rate = this.#state.proxy.bytesPerSecond;
    if (rate === 0) return 0;
    const nowMs = performance.now();
    this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + (bytes / rate) * 1000;
    return this.#freeAtMs - nowMs;
  }

  #forward(chunk: Buffer): void {
    if (this.#pair.silent || this.#to.destroyed) return;
    const start = this.#state.forwarded[this.#direction];
    const fault = this.#nextFault(start, chunk.length);
    if (fault === undefined) {
      this.#send(chunk);
      return;
    }
    this.#state.faults.splice(this.#state.faults.indexOf(fault), 1);
    const at = fault.at - start;
    if (fault.kind === "corrupt") {
      this.#send(chunk.subarray(0, at));
      this.#send(Buffer.of((chunk[at] as number) ^ 0xff));
      this.#forward(chunk.subarray(at + 1));
      return;
    }
    // The sender gets a reset. The receiver gets its bytes and then an end: a reset could overtake the bytes.
    this.#state.forwarded[this.#direction] += at;
    this.#pair.silent = true;
    this.#to.end(chunk.subarray(0, at));
    reset(this.#from);
    this.#state.proxy.onCut();
  }

  #send(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#state.forwarded[this.#direction] += bytes.length;
    if (this.#to.write(bytes)) return;
    this.#blocked = true;
    this.#flow();
  }

  /** A cut strikes between two bytes, so also at the end of a piece. A corruption strikes a byte. */
  #nextFault(start: number, length: number): Fault | undefined {
    return this.#state.faults
      .filter(({ direction, at, kind }) => {
        const offset = at - start;
        return direction === this.#direction && (kind === "cut" ? offset <= length : offset < length);
      })
      .toSorted((a, b) => a.at - b.at)[0];
  }

  /** Runs `action` in `waitMs`, after all actions held before it. Runs it at once if nothing has to wait. */
  #hold(waitMs: number, action: () => void): void {
    this.#held.push({ dueMs: performance.now() + waitMs, action });
    if (this.#held.length === 1) this.#release();
  }

  #release(): void {
    for (let next = this.#held[0]; next !== undefined; next = this.#held[0]) {
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#release(), Math.ceil(waitMs));
        return;
      }
      next.action();
      this.#held.shift();
    }
  }
}
