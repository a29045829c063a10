import type {
  AcceptedStream,
  AcceptStream,
  LivenessOptions,
  RawHeaders,
  RequestHead,
  StreamHandler,
  StreamReset,
} from "mcp-tunnel-protocol";
import type { NodeInfo } from "../src/engine/engine.js";
import { PeerLinks, type PeerLinksOptions } from "../src/peers/peer-links.js";
import type { Peer, PeerHandler } from "../src/peers/peers.js";

export const secret = "a secret of the test that is long enough";

/** A line of a log. */
interface Line {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

/** Keeps lines, and tells those who wait for one. */
export class TestLog {
  readonly lines: Line[] = [];
  readonly #waiting: { pattern: RegExp; resolve: (line: Line) => void }[] = [];

  readonly debug = this.#writer("debug");
  readonly info = this.#writer("info");
  readonly warn = this.#writer("warn");
  readonly error = this.#writer("error");

  /** The lines that fit: message, and fields as JSON. */
  matching(pattern: RegExp): Line[] {
    return this.lines.filter((line) => pattern.test(textOf(line)));
  }

  /** Resolves with the first line that fits, written already or not. */
  line(pattern: RegExp): Promise<Line> {
    const [found] = this.matching(pattern);
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve) => this.#waiting.push({ pattern, resolve }));
  }

  #writer(level: string): (fields: object, message: string) => void {
    return (fields, message) => {
      const line = { level, message, fields: fields as Record<string, unknown> };
      this.lines.push(line);
      for (const { pattern, resolve } of this.#waiting) if (pattern.test(textOf(line))) resolve(line);
    };
  }
}

function textOf({ message, fields }: Line): string {
  return `${message} ${JSON.stringify(fields)}`;
}

export interface TestRelayOptions extends Partial<PeerLinksOptions> {
  handler?: Partial<PeerHandler>;
}

/** A relay of which there are only the links. */
export class TestRelay {
  readonly id: string;
  readonly log = new TestLog();
  readonly links: PeerLinks;
  address = "";
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(id: string, { handler = {}, ...options }: TestRelayOptions = {}) {
    this.id = id;
    this.links = new PeerLinks(
      { node: id, secret, listen: { host: "127.0.0.1", port: 0 }, logger: this.log, ...options },
      {
        acceptStream: echo,
        answer: (about, body, from) => Promise.resolve({ about, body, from, by: id }),
        onSplice: () => "unknown",
        onSpliced: () => {},
        onLink: (node) => this.#onLink(node),
        ...handler,
      },
    );
  }

  async listen(): Promise<this> {
    this.address = await this.links.listen();
    return this;
  }

  get info(): NodeInfo {
    return nodeAt(this.id, this.address);
  }

  close(): Promise<void> {
    return this.links.close();
  }

  /** Resolves with the peer once there is a link to it. */
  async linked(node: string): Promise<Peer> {
    const peer = this.links.get(node);
    if (peer?.session !== undefined) return peer;
    await new Promise<void>((resolve) => {
      this.#waiting.set(node, [...(this.#waiting.get(node) ?? []), resolve]);
    });
    return this.links.get(node) as Peer;
  }

  #onLink(node: string): void {
    if (this.links.get(node)?.session === undefined) return;
    for (const resolve of this.#waiting.get(node) ?? []) resolve();
    this.#waiting.delete(node);
  }
}

export function nodeAt(id: string, address: string): NodeInfo {
  return { id, address, version: "1.0.0", draining: false };
}

/** Pings that find a dead link within a moment. */
export const quickPings: LivenessOptions = { pingIntervalMs: 60, pingTimeoutMs: 60 };

/** Answers with the request's body, as it comes. */
export const echo: AcceptStream = (stream, head) => {
  stream.sendHead({ status: 200, headers: ["x-path", head.path] });
  return new Echo(stream);
};

class Echo implements StreamHandler {
  readonly #stream: AcceptedStream;
  #waiting = 0;

  constructor(stream: AcceptedStream) {
    this.#stream = stream;
  }

  onData(chunk: Buffer): void {
    const { length } = chunk;
    if (this.#stream.write(chunk)) this.#stream.consumed(length);
    else this.#waiting += length;
  }

  onDrain(): void {
    this.#stream.consumed(this.#waiting);
    this.#waiting = 0;
  }

  onEnd(): void {
    this.#stream.end();
  }

  onReset(): void {}
}

/** What came of a request. */
export interface Exchange {
  status: number | undefined;
  body: Buffer;
}

/** Sends a request with a body to a peer, and resolves with the answer; rejects with a reset. */
export function request(peer: Peer, body: Buffer, head: Partial<RequestHead> = {}): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    const { session } = peer;
    if (session === undefined) throw new Error("there is no link");
    const chunks: Buffer[] = [];
    let status: number | undefined;
    const stream = session.open(
      { method: "POST", path: "/", headers: ["X-Tunnel-Hop", "name 1"] as RawHeaders, ...head },
      body.length === 0,
      {
        onHead: (answer) => {
          status = answer.status;
        },
        onData: (chunk) => {
          chunks.push(chunk);
          stream.consumed(chunk.length);
        },
        onEnd: () => resolve({ status, body: Buffer.concat(chunks) }),
        onReset: (reason: StreamReset) => reject(reason),
      },
    );
    if (body.length === 0) return;
    stream.write(body);
    stream.end();
  });
}

/** A promise, and what settles it. */
export function deferred<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (reason: Error) => void;
} {
  let resolve!: (value: T) => void;
  let reject!: (reason: Error) => void;
  const promise = new Promise<T>((onValue, onReason) => {
    resolve = onValue;
    reject = onReason;
  });
  return { promise, resolve, reject };
}
