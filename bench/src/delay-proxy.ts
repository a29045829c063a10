import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** A link with a round trip and a capacity, as a TCP proxy: the network of a laptop far from its relay. */
export interface DelayProxyOptions {
  readonly targetPort: number;
  /** 0 picks a free port. */
  readonly port: number;
  /** How long a byte travels, one way, in milliseconds. */
  readonly delayMs: number;
  /** Bytes that the link carries in each direction, over all connections. */
  readonly bytesPerSecond: number;
}

/** Sent bytes that wait to enter the link, in milliseconds of its capacity; a router holds about as much. */
const queueMs = 20;

/** Starts the proxy on loopback. */
export async function startDelayProxy(options: DelayProxyOptions): Promise<{ port: number; server: Server }> {
  const up = new Link(options);
  const down = new Link(options);
  const server = createServer({ allowHalfOpen: true, noDelay: true, highWaterMark: 262_144 }, (near) => {
    const far = connect({ port: options.targetPort, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    up.carry(near, far);
    down.carry(far, near);
  });
  server.listen(options.port, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, server };
}

/**
 * One direction. Each piece gets the time at which it arrives: it enters the link when the pieces before it
 * have entered, and then travels for the delay. All pieces that are due are written at once, so that the
 * timer's grain of a millisecond costs no throughput.
 */
class Link {
  readonly #delayMs: number;
  readonly #bytesPerMs: number;
  /** When the last piece has entered the link. */
  #enteredAtMs = 0;

  constructor({ delayMs, bytesPerSecond }: DelayProxyOptions) {
    this.#delayMs = delayMs;
    this.#bytesPerMs = bytesPerSecond / 1_000;
  }

  carry(from: Socket, to: Socket): void {
    const travelling: { atMs: number; chunk: Buffer | undefined }[] = [];
    let timer: NodeJS.Timeout | undefined;
    const deliver = (): void => {
      timer = undefined;
      const now = performance.now();
      to.cork();
      for (let next = travelling[0]; next !== undefined && next.atMs <= now; next = travelling[0]) {
        travelling.shift();
        if (next.chunk === undefined) to.end();
        else to.write(next.chunk);
      }
      to.uncork();
      schedule();
    };
    const schedule = (): void => {
      const next = travelling[0];
      if (next !== undefined) timer ??= setTimeout(deliver, Math.max(0, next.atMs - performance.now()));
    };
    from.on("data", (chunk: Buffer) => {
      const now = performance.now();
      this.#enteredAtMs = Math.max(now, this.#enteredAtMs) + chunk.length / this.#bytesPerMs;
      travelling.push({ atMs: this.#enteredAtMs + this.#delayMs, chunk });
      schedule();
      const waitsMs = this.#enteredAtMs - now;
      if (waitsMs < queueMs) return;
      from.pause();
      setTimeout(() => from.resume(), waitsMs - queueMs / 2);
    });
    from.on("end", () => {
      travelling.push({
        atMs: Math.max(performance.now(), this.#enteredAtMs) + this.#delayMs,
        chunk: undefined,
      });
      schedule();
    });
    from.on("error", () => to.destroy());
    from.on("close", () => {
      if (from.errored === null) return;
      clearTimeout(timer);
      to.destroy();
    });
  }
}
