import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { RequestHead, TunnelStream } from "mcp-tunnel-protocol";
import { describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import {
  type Choice,
  createRelay,
  type ExchangeRecord,
  MemoryDirectory,
  type Pool,
  type RelayOptions,
  type Route,
  type RouteHandler,
} from "../src/index.js";
import { RawVisitor, V1Client } from "./support.js";

const opened = closingAfterEach();

/** A relay whose visitors to `app` get `route`; its tunnels have other names. */
async function setUp(route: (names: MemoryDirectory) => Route | Pool, options: Partial<RelayOptions> = {}) {
  const names = new MemoryDirectory();
  const app = route(names);
  const relay = createRelay({
    domain: "localhost",
    host: "127.0.0.1",
    port: 0,
    startupHoldMs: 0,
    directory: {
      find: (name) => (name === "app" ? app : names.find(name)),
      claim: (claimant, terms) => names.claim(claimant, terms),
      release: (claimant) => names.release(claimant),
      changed: (claimant) => names.changed(claimant),
      watch: (listener) =>
        names.watch((name) => {
          listener(name);
          listener("app");
        }),
    },
    ...options,
  });
  const { port } = await relay.listen();
  opened({ close: () => relay.close(0) });
  const visit = (head = "GET / HTTP/1.1", body = "") => {
    const visitor = opened(new RawVisitor(port));
    visitor.request(head, body);
    return visitor;
  };
  const v1 = async (name: string, more: object = {}) => opened(await V1Client.connect(port, name, more));
  return { relay, visit, v1 };
}

/** A route that is one of the relay's own tunnels or several. */
abstract class FakeRoute implements Route {
  protected readonly tunnels: () => Route[];
  readonly carries = { upgrades: true, interim: true, trailers: true };
  readonly wire = "v1";
  abstract readonly acceptsLater: boolean;

  constructor(tunnels: () => (Route | Pool | undefined)[]) {
    this.tunnels = () => tunnels().filter(isRoute);
  }

  get isAway(): boolean {
    return this.tunnels().every(({ isAway }) => isAway);
  }

  get streamCount(): number {
    return this.tunnels().reduce((sum, { streamCount }) => sum + streamCount, 0);
  }

  get queuedBytes(): number {
    return this.tunnels().reduce((sum, { queuedBytes }) => sum + queuedBytes, 0);
  }

  get takesRefusals(): boolean {
    return this.tunnels().some(({ takesRefusals }) => takesRefusals);
  }

  abstract open(head: RequestHead, end: boolean, handler: RouteHandler): TunnelStream;

  count(): void {}

  tellRefusals(): void {}
}

/** Several tunnels that serve one name: the one with the fewest requests takes the next. */
class FakePool implements Pool {
  readonly #tunnels: () => Route[];
  /** What has been chosen, and what has become of it. */
  readonly heard: string[] = [];
  /** Run before a member is chosen. A test may make it wait. */
  before: (() => Promise<void>) | undefined;

  constructor(tunnels: () => (Route | Pool | undefined)[]) {
    this.#tunnels = () => tunnels().filter(isRoute);
  }

  get isAway(): boolean {
    return this.#tunnels().every(({ isAway }) => isAway);
  }

  get takesRefusals(): boolean {
    return this.#tunnels().some(({ takesRefusals }) => takesRefusals);
  }

  pick(_headers: string[], refused: readonly Route[]): Choice | undefined | Promise<Choice | undefined> {
    return this.before === undefined ? this.#pick(refused) : this.before().then(() => this.#pick(refused));
  }

  #pick(refused: readonly Route[]): Choice | undefined {
    const members = this.#tunnels().filter((route) => !route.isAway && !refused.includes(route));
    const [route] = members.sort((a, b) => a.streamCount - b.streamCount);
    if (route === undefined) return undefined;
    return {
      route,
      onHead: ({ status }) => void this.heard.push(`head ${status}`),
      onReset: (code) => void this.heard.push(`reset ${code}`),
    };
  }

  count(): void {}

  tellRefusals(): void {}
}

function isRoute(found: Route | Pool | undefined): found is Route {
  return found !== undefined && "open" in found;
}

/** A tunnel of another relay, which says a turn later whether it takes a request. */
class FakeRemote extends FakeRoute {
  readonly acceptsLater = true;
  refusing = 0;
  /** What was written before a request was accepted. */
  early = 0;

  open(head: RequestHead, end: boolean, handler: RouteHandler): TunnelStream {
    let stream: TunnelStream | undefined;
    let isOver = false;
    setImmediate(() => {
      if (isOver) return;
      if (this.refusing > 0) {
        this.refusing -= 1;
        handler.onRefused();
        return;
      }
      stream = this.tunnels().at(0)?.open(head, end, handler);
      handler.onAccepted();
    });
    return {
      id: 1,
      write: (chunk) => {
        if (stream === undefined) this.early += chunk.length;
        return stream?.write(chunk) === true;
      },
      end: (trailers) => stream?.end(trailers),
      reset: (code, message) => {
        isOver = true;
        stream?.reset(code, message);
      },
      consumed: (bytes) => stream?.consumed(bytes),
    };
  }
}

const headWith = (code: string) => (received: string) => received.includes(`X-Tunnel-Error: ${code}\r\n`);
const endOfHead = (received: string) => received.endsWith("\r\n\r\n");

describe("a pool of tunnels", () => {
  let pool: FakePool;
  const both = (names: MemoryDirectory) =>
    (pool = new FakePool(() => [names.find("one"), names.find("two")]));

  it("takes requests in turns, which count for the tunnels that took them", async () => {
    const { relay, visit, v1 } = await setUp(both);
    const clients = [await v1("one"), await v1("two")];
    const visitors = [visit(), visit()];
    const exchanges = await Promise.all(clients.map((client) => client.accept()));
    expect(relay.tunnels()).toMatchObject([{ streams: 1 }, { streams: 1 }]);
    for (const { stream } of exchanges) stream.sendHead({ status: 204, headers: [] }, true);
    for (const visitor of visitors) await visitor.until(endOfHead);
    await vi.waitFor(() => expect(relay.tunnels()).toMatchObject([{ requests: 1 }, { requests: 1 }]));
    expect(pool.heard).toEqual(["head 204", "head 204"]);
  });

  it("passes over a tunnel that refuses, until all do", async () => {
    const { visit, v1 } = await setUp(both, { maxStreamsPerTunnel: 1 });
    const first = await v1("one");
    const second = await v1("two");
    // It fills one of them under its own name.
    visit("GET /own HTTP/1.1\nHost: one.localhost");
    await first.accept();
    visit();
    expect((await second.accept()).head.path).toBe("/");
    expect(await visit().until(headWith("tunnel_overloaded"))).toMatch(/^HTTP\/1.1 503 /);
  });

  it("takes a request that a client has refused to another one, if it has no body", async () => {
    const { visit, v1 } = await setUp(both);
    const first = await v1("one");
    const second = await v1("two");
    const visitor = visit();
    (await first.accept()).stream.reset("refused");
    (await second.accept()).stream.sendHead({ status: 204, headers: [] }, true);
    expect(await visitor.until(endOfHead)).toMatch(/^HTTP\/1.1 204 /);
    expect(pool.heard).toEqual(["reset refused", "head 204"]);
    const third = visit("POST / HTTP/1.1\nContent-Length: 5", "hello");
    (await first.accept()).stream.reset("refused");
    expect(await third.until(headWith("tunnel_dropped_request"))).toMatch(/^HTTP\/1.1 502 /);
  });

  it("answers a request that all clients have refused", async () => {
    const { visit, v1 } = await setUp(both);
    const clients = [await v1("one"), await v1("two")];
    const visitor = visit();
    for (const client of clients) (await client.accept()).stream.reset("refused");
    expect(await visitor.until(headWith("tunnel_dropped_request"))).toMatch(/^HTTP\/1.1 502 /);
  });

  it("hears that a service cannot be reached, which is the visitor's answer", async () => {
    const { visit, v1 } = await setUp(both);
    const client = await v1("one");
    const visitor = visit();
    (await client.accept()).stream.reset("upstream_unreachable");
    await visitor.until(headWith("upstream_error"));
    expect(pool.heard).toEqual(["reset upstream_unreachable"]);
  });

  it("takes a request that another relay has refused to another one, with all of its body", async () => {
    let remote: FakeRemote | undefined;
    const { visit, v1 } = await setUp((names) => {
      remote = new FakeRemote(() => [names.find("one")]);
      remote.refusing = 1;
      return (pool = new FakePool(() => [remote, names.find("two")]));
    });
    await v1("one");
    const second = await v1("two");
    const visitor = visit("POST / HTTP/1.1\nContent-Length: 5", "hello");
    const exchange = await second.accept();
    await exchange.ended;
    expect(exchange.body).toBe("hello");
    exchange.stream.sendHead({ status: 204, headers: [] }, true);
    expect(await visitor.until(endOfHead)).toMatch(/^HTTP\/1.1 204 /);
    expect(remote?.refusing).toBe(0);
  });

  it("may take its time to choose, while something changes", async () => {
    const { relay, visit, v1 } = await setUp(both);
    const first = await v1("one");
    let go = (): void => {};
    const asked = new Promise<void>((asks) => {
      pool.before = () => {
        asks();
        return new Promise((resolve) => (go = resolve));
      };
    });
    visit();
    await asked;
    first.cut();
    await vi.waitFor(() => expect(relay.tunnels()).toMatchObject([{ state: "away" }]));
    pool.before = undefined;
    go();
    await first.resume();
    await first.accept();
  });

  it("has a visitor wait only while all of its tunnels are away", async () => {
    const { relay, visit, v1 } = await setUp(both);
    const first = await v1("one");
    first.cut();
    await vi.waitFor(() => expect(relay.tunnels()).toMatchObject([{ state: "away" }]));
    const second = await v1("two");
    visit();
    await second.accept();
  });
});

describe("a tunnel of another relay", () => {
  let remote: FakeRemote;
  const there = (names: MemoryDirectory) => (remote = new FakeRemote(() => [names.find("there")]));

  it("gets a request's body once it has taken the request", async () => {
    const { visit, v1 } = await setUp(there);
    const client = await v1("there");
    const visitor = visit("POST / HTTP/1.1\nContent-Length: 5", "hello");
    const exchange = await client.accept();
    await exchange.ended;
    expect(exchange.body).toBe("hello");
    expect(remote.early).toBe(0);
    exchange.stream.sendHead({ status: 204, headers: [] }, true);
    expect(await visitor.until(endOfHead)).toMatch(/^HTTP\/1.1 204 /);
  });

  it("may refuse a request, which is taken there again with all of its body", async () => {
    const { visit, v1 } = await setUp(there);
    const client = await v1("there");
    remote.refusing = 3;
    const visitor = visit("POST / HTTP/1.1\nContent-Length: 5", "hello");
    const exchange = await client.accept();
    await exchange.ended;
    expect(exchange.body).toBe("hello");
    expect(remote.refusing).toBe(0);
    exchange.stream.sendHead({ status: 204, headers: [] }, true);
    expect(await visitor.until(endOfHead)).toMatch(/^HTTP\/1.1 204 /);
  });

  it("may refuse an upgrade, too", async () => {
    const { visit, v1 } = await setUp(there);
    const client = await v1("there");
    remote.refusing = 1;
    const visitor = visit("GET / HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket");
    const { stream } = await client.accept();
    stream.sendHead({ status: 101, headers: ["Connection", "Upgrade", "Upgrade", "websocket"] });
    expect(await visitor.until(endOfHead)).toMatch(/^HTTP\/1.1 101 /);
  });

  it("that refuses again and again is given up", async () => {
    const { visit, v1 } = await setUp(there);
    await v1("there");
    remote.refusing = Number.POSITIVE_INFINITY;
    expect(await visit().until(headWith("tunnel_reconnecting"))).toMatch(/^HTTP\/1.1 503 /);
  });

  it("hears that the visitor has left before it answered", async () => {
    const { relay, visit, v1 } = await setUp(there);
    await v1("there");
    const reset = vi.fn();
    remote.open = () => ({ id: 1, write: () => true, end() {}, reset, consumed() {} });
    const visitor = visit();
    await vi.waitFor(() => expect(relay.openExchanges).toBe(1));
    visitor.close();
    await vi.waitFor(() => expect(reset).toHaveBeenCalledWith("cancelled", expect.any(String)));
  });
});

describe("a tunnel of this relay", () => {
  it("has a stream for a request in the turn in which its head was read", async () => {
    let turn: "same" | "later" | undefined;
    const onHead = (): void => {
      turn = "same";
      // Before any promise, timer or event.
      process.nextTick(() => {
        turn = "later";
      });
    };
    const channel = "http.server.request.start";
    subscribe(channel, onHead);
    opened({ close: () => unsubscribe(channel, onHead) });
    const seen: (typeof turn)[] = [];
    const { visit, v1 } = await setUp((names) => {
      const pool = new FakePool(() => [names.find("one")]);
      const pick = pool.pick.bind(pool);
      pool.pick = (...args) => {
        seen.push(turn);
        return pick(...args);
      };
      return pool;
    });
    const client = await v1("one");
    visit();
    await client.accept();
    expect(seen).toEqual(["same"]);
  });
});

describe("a route that fails", () => {
  /** A route all of whose methods throw. */
  class BrokenRoute extends FakeRoute {
    readonly acceptsLater = false;

    constructor() {
      super(() => []);
    }

    override get takesRefusals(): boolean {
      return true;
    }

    override get isAway(): boolean {
      return false;
    }

    open(): never {
      throw new Error("no open");
    }

    override count(): never {
      throw new Error("no count");
    }

    override tellRefusals(): never {
      throw new Error("no refusals");
    }
  }

  it("costs its visitor a 502, of which the observers and the log hear", async () => {
    const records: ExchangeRecord[] = [];
    const errors: unknown[] = [];
    const ignore = (): void => {};
    const error = (fields: object): void => void errors.push((fields as { error: unknown }).error);
    const { visit, relay } = await setUp(() => new BrokenRoute(), {
      observers: [{ onEnd: (record) => records.push(record) }],
      logger: { debug: ignore, info: ignore, warn: ignore, error },
    });
    expect(await visit().until(headWith("internal_error"))).toMatch(/^HTTP\/1.1 502 /);
    await vi.waitFor(() => expect(records).toMatchObject([{ name: "app", status: 502, outcome: "refused" }]));
    expect(relay.openExchanges).toBe(0);
    const words = ["no open", "no refusals", "no count"];
    expect(errors).toEqual(words.map((one) => expect.stringContaining(one) as string));
  });
});
