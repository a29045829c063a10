import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { freePort } from "../../support/free-port.js";
import { reset } from "../../support/reset.js";

/**
 * What happens to bytes on the way. `refuse`: connections are reset, and no new one is let in. `silence`:
 * nothing passes and nobody is told, until the rule is taken back: then all of it arrives, as TCP would send
 * it again. A number: each piece is late by so many milliseconds.
 */
export type Rule = "refuse" | "silence" | number;

export type Direction = "up" | "down";

/** A TCP proxy that knows who comes and where he is led, and treats each way by a rule of its own. */
export class Gate {
  readonly port: number;
  readonly #server: Server;
  readonly #wires = new Set<Wire>();
  readonly #rules = new Map<string, Rule>();
  readonly #choose: () => readonly number[];
  #cut: { direction: Direction; left: number } | undefined;

  private constructor(choose: () => readonly number[], port: number) {
    this.port = port;
    this.#choose = choose;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => this.#enter(near));
  }

  /** `choose`: the ports to which a new connection may be led, in this order until one answers. */
  static async open(choose: () => readonly number[]): Promise<Gate> {
    const gate = new Gate(choose, await freePort());
    await gate.listen();
    return gate;
  }

  /** After {@link stopListening}. */
  async listen(): Promise<void> {
    if (this.#server.listening) return;
    this.#server.listen({ port: this.port, host: "127.0.0.1", backlog: 4_096 });
    await once(this.#server, "listening");
  }

  /** New connections are refused by the machine itself, as where no program listens. */
  stopListening(): void {
    this.#server.close();
  }

  /** Open connections; those that lead to `port` only. */
  count(port?: number): number {
    return [...this.#wires].filter((wire) => port === undefined || wire.port === port).length;
  }

  /** `from`: the address of a machine. `undefined` takes the rule back. */
  rule(from: string, rule: Rule | undefined): void {
    if (rule === undefined) this.#rules.delete(from);
    else this.#rules.set(from, rule);
    for (const wire of this.#wires) {
      if (wire.from !== from) continue;
      if (rule === "refuse") wire.end();
      else wire.rule = rule;
    }
  }

  /** Resets all connections, or those that lead to `port`. */
  cut(port?: number): void {
    for (const wire of this.#wires) if (port === undefined || wire.port === port) wire.end();
  }

  /** Lets nothing pass any more on the connections that are open now. New ones work. */
  halfOpen(): void {
    for (const wire of this.#wires) wire.rule = "silence";
  }

  /** Resets the connection that carries the byte after the next `bytes` in that direction. Once. */
  cutAfter(direction: Direction, bytes: number): void {
    this.#cut = { direction, left: bytes };
  }

  /** Takes back what `cutAfter` has ordered. Returns whether it has struck. */
  clearCut(): boolean {
    const hasStruck = this.#cut === undefined;
    this.#cut = undefined;
    return hasStruck;
  }

  async close(): Promise<void> {
    this.cut();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }

  #enter(near: Socket): void {
    near.on("error", ignore);
    const from = near.remoteAddress ?? "";
    const rule = this.#rules.get(from);
    if (rule === "refuse") near.resetAndDestroy();
    else void this.#lead(near, from);
  }

  async #lead(near: Socket, from: string): Promise<void> {
    for (const port of this.#choose()) {
      const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      far.on("error", ignore);
      const isOpen = await once(far, "connect").then(
        () => true,
        () => false,
      );
      if (!isOpen) continue;
      const rule = this.#rules.get(from);
      if (near.destroyed || rule === "refuse") {
        reset(near);
        reset(far);
        return;
      }
      const wire = new Wire(near, far, from, port, {
        passed: (direction, bytes) => this.#passed(wire, direction, bytes),
        ended: () => this.#wires.delete(wire),
      });
      this.#wires.add(wire);
      wire.rule = rule;
      return;
    }
    near.resetAndDestroy();
  }

  /** How many of these bytes may pass. */
  #passed(wire: Wire, direction: Direction, bytes: number): number {
    const cut = this.#cut;
    if (cut?.direction !== direction) return bytes;
    if (bytes <= cut.left) {
      cut.left -= bytes;
      return bytes;
    }
    this.#cut = undefined;
    wire.endSoon();
    return cut.left;
  }
}

interface WireOwner {
  passed(direction: Direction, bytes: number): number;
  ended(): void;
}

/** One connection, and the one that it leads to. */
class Wire {
  readonly near: Socket;
  readonly far: Socket;
  readonly from: string;
  /** Where it leads to. */
  readonly port: number;
  readonly #owner: WireOwner;
  #delayMs = 0;
  #isSilent = true;
  #isEnding = false;
  #isOver = false;

  constructor(near: Socket, far: Socket, from: string, port: number, owner: WireOwner) {
    this.near = near;
    this.far = far;
    this.from = from;
    this.port = port;
    this.#owner = owner;
    this.#lane("up", near, far);
    this.#lane("down", far, near);
  }

  set rule(rule: Rule | undefined) {
    this.#delayMs = typeof rule === "number" ? rule : 0;
    this.#isSilent = rule === "silence";
    for (const [from, to] of [
      [this.near, this.far],
      [this.far, this.near],
    ] as const) {
      if (this.#isSilent || to.writableNeedDrain) from.pause();
      else from.resume();
    }
  }

  /** Resets both sides when the piece at hand has left. What comes meanwhile is lost: TCP has no gaps. */
  endSoon(): void {
    this.#isEnding = true;
    setImmediate(() => this.end());
  }

  /** Resets both sides. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#owner.ended();
    reset(this.near);
    reset(this.far);
  }

  #lane(direction: Direction, from: Socket, to: Socket): void {
    from.on("data", (chunk: Buffer) => {
      if (this.#isEnding) return;
      const piece = chunk.subarray(0, this.#owner.passed(direction, chunk.length));
      this.#later(() => {
        if (!to.writable || to.write(piece)) return;
        from.pause();
        to.once("drain", () => {
          if (!this.#isSilent) from.resume();
        });
      });
    });
    from.on("end", () => {
      if (!this.#isEnding) this.#later(() => to.end());
    });
    from.on("close", (hadError) => {
      if (hadError || !to.writableEnded) this.end();
      else if (to.destroyed) this.#forget();
    });
  }

  #forget(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#owner.ended();
  }

  /** Timers of one length run in the order in which they were set. */
  #later(action: () => void): void {
    if (this.#delayMs === 0) action();
    else setTimeout(action, this.#delayMs);
  }
}

const ignore = (): void => {};
