import { once } from "node:events";
import { Agent, request } from "undici";
import { WebSocket } from "ws";

/** What a visitor got. */
export interface Visit {
  readonly status: number;
  readonly text: string;
  readonly ms: number;
}

type VisitOptions = Partial<Pick<NonNullable<Parameters<typeof request>[1]>, "method" | "body" | "signal">>;

/** A visitor at the port of a balancer or a relay. Each request comes over a connection of its own. */
export async function visit(
  port: number,
  name: string,
  path: string,
  options: VisitOptions = {},
): Promise<Visit> {
  const startedAt = performance.now();
  const dispatcher = new Agent({ pipelining: 0, headersTimeout: 60_000, bodyTimeout: 60_000 });
  try {
    const answer = await request(`http://127.0.0.1:${port}${path}`, {
      ...options,
      dispatcher,
      headers: { host: `${name}.localhost` },
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, text, ms: performance.now() - startedAt };
  } finally {
    await dispatcher.destroy();
  }
}

/** Things that come one after the other, in one order, without a gap. */
class Sequence {
  /** How many have come. */
  count = 0;
  #failure: Error | undefined;
  readonly #waiting = new Set<() => void>();

  take(number: number): void {
    if (number === this.count + 1) this.count = number;
    else this.fail(new Error(`after ${this.count} came ${number}`));
    this.#wake();
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  /** Resolves when so many more have come than now. @throws Error after a gap, or after the end. */
  async more(count = 1): Promise<void> {
    const goal = this.count + count;
    while (this.count < goal) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** Reads an event stream whose events are numbered from 1. */
export class EventReader {
  readonly #sequence = new Sequence();
  readonly #leaving = new AbortController();
  /** Resolves when the stream has ended: whether in order. */
  readonly ended: Promise<boolean>;
  status = 0;

  private constructor(port: number, name: string, intervalMs: number, count: number) {
    this.ended = this.#read(`http://127.0.0.1:${port}/sse?count=${count}&intervalMs=${intervalMs}`, name);
  }

  /** Resolves when the first event has come. */
  static async open(port: number, name: string, intervalMs = 10, count = 1_000_000): Promise<EventReader> {
    const reader = new EventReader(port, name, intervalMs, count);
    await reader.more();
    return reader;
  }

  get count(): number {
    return this.#sequence.count;
  }

  more(count?: number): Promise<void> {
    return this.#sequence.more(count);
  }

  async close(): Promise<void> {
    this.#leaving.abort();
    await this.ended;
  }

  async #read(url: string, name: string): Promise<boolean> {
    const dispatcher = new Agent({ pipelining: 0, headersTimeout: 0, bodyTimeout: 0 });
    try {
      const { signal } = this.#leaving;
      const answer = await request(url, { dispatcher, signal, headers: { host: `${name}.localhost` } });
      this.status = answer.statusCode;
      let rest = "";
      for await (const chunk of answer.body) {
        const lines = (rest + String(chunk)).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) if (line.startsWith("id: ")) this.#sequence.take(Number(line.slice(4)));
      }
      this.#sequence.fail(new Error(`the stream has ended (${answer.statusCode})`));
      return true;
    } catch (error) {
      this.#sequence.fail(error as Error);
      return false;
    } finally {
      await dispatcher.destroy();
    }
  }
}

/** A WebSocket that says numbers, one each 10 ms, and hears them again. */
export class EchoSocket {
  readonly #sequence = new Sequence();
  readonly #socket: WebSocket;
  readonly #timer: NodeJS.Timeout;
  readonly closed: Promise<number>;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    let sent = 0;
    this.#timer = setInterval(() => socket.send(String((sent += 1))), 10);
    this.closed = once(socket, "close").then(([code]) => code as number);
    socket.on("message", (data) => this.#sequence.take(Number(String(data))));
    socket.on("error", (error) => this.#sequence.fail(error));
    void this.closed.then((code) => {
      clearInterval(this.#timer);
      this.#sequence.fail(new Error(`the WebSocket was closed with ${code}`));
    });
  }

  static async open(port: number, name: string): Promise<EchoSocket> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/websocket`, {
      headers: { host: `${name}.localhost` },
    });
    await once(socket, "open");
    return new EchoSocket(socket);
  }

  get count(): number {
    return this.#sequence.count;
  }

  more(count?: number): Promise<void> {
    return this.#sequence.more(count);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#socket.terminate();
    await this.closed;
  }
}
