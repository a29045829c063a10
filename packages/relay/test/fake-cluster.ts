import { linkedPair } from "mcp-tunnel-protocol/testing";
// A program's own member needs no other package than the relay's.
import {
  type Answers,
  type Directory,
  type Link,
  type Member,
  type MemberHost,
  type MemberRelay,
  type MemberStatus,
  MemoryDirectory,
  type Question,
  type ReturnAnswer,
  type ReturningClient,
  type SharedStore,
  TunnelError,
  type Verdict,
} from "../src/index.js";

/** Several relays of this process as one, with the duties of a cluster and none of its networks. */
export class FakeCluster {
  readonly directory = new MemoryDirectory();
  /** The relays that have joined. */
  readonly members = new Map<string, FakeMember>();
  readonly verdicts = new Map<string, Verdict>();
  /** What the relays share, by its key. */
  readonly texts = new Map<string, { text: string | undefined; revision: number }>();
  /** The relays that hold locks, by the locks' keys. */
  readonly locks = new Map<string, string>();
  /** Whether the relays can have {@link texts} and {@link locks}. */
  isStoreDown = false;
  /** Relays that answer no question. */
  readonly silent = new Set<string>();

  member(node: string): FakeMember {
    return new FakeMember(node, this);
  }
}

export class FakeMember implements Member {
  readonly node: string;
  readonly directory: Directory;
  isReady = false;
  /** What the relay has done with its place, in order. */
  readonly done: string[] = [];
  host: MemberHost | undefined;
  /** Run before an answer to a returning client. A test may make it wait, or fail. */
  beforeReturn: (client: ReturningClient) => Promise<void> = async () => {};
  /** Run when the relay joins or leaves. */
  onDone: (what: string) => void | Promise<void> = () => {};
  /** The clients whose sessions others have. */
  readonly splices = new Set<Link>();
  readonly #cluster: FakeCluster;

  constructor(node: string, cluster: FakeCluster) {
    this.node = node;
    this.directory = cluster.directory;
    this.#cluster = cluster;
  }

  readonly store: SharedStore = {
    read: async (key) => {
      this.#needStore();
      return this.#cluster.texts.get(key);
    },
    write: async (key, text, expected) => {
      this.#needStore();
      const { texts } = this.#cluster;
      if ((texts.get(key)?.revision ?? 0) !== expected) return false;
      texts.set(key, { text, revision: expected + 1 });
      return true;
    },
    lock: async (key, ms) => {
      this.#needStore();
      const { locks } = this.#cluster;
      if ((locks.get(key) ?? this.node) !== this.node) return false;
      if (ms > 1) locks.set(key, this.node);
      else locks.delete(key);
      return true;
    },
  };

  #needStore(): void {
    if (this.#cluster.isStoreDown) throw noCluster;
  }

  async join(host: MemberHost): Promise<void> {
    await this.#do("join");
    this.host = host;
    this.#cluster.members.set(this.node, this);
    this.isReady = true;
  }

  async returning(client: ReturningClient): Promise<ReturnAnswer> {
    await this.beforeReturn(client);
    const { session, secret, message, link, address, isAtDomain } = client;
    const verdict = this.#cluster.verdicts.get(session);
    if (verdict !== undefined) return { refused: verdict };
    const owner = this.#cluster.members.get(session.slice(0, session.indexOf(".")))?.host;
    const known = owner?.session(session, secret) ?? "unknown";
    if (known === "unknown" || owner === undefined) return "gone";
    if (known !== "known") return { refused: known };
    const [here, there] = linkedPair();
    pipe(link, here);
    pipe(here, link);
    this.splices.add(link);
    owner.onSpliced(there, { address, isAtDomain });
    here.send(message);
    return "taken";
  }

  remember(session: string, verdict: Verdict): void {
    this.#cluster.verdicts.set(session, verdict);
  }

  async ask<T>(question: Question): Promise<Answers<T>> {
    const answers = new Map<string, T>();
    for (const { node, host } of this.#cluster.members.values()) {
      if (this.#cluster.silent.has(node) || host === undefined) continue;
      // Answers travel as JSON.
      answers.set(node, JSON.parse(JSON.stringify(host.answer(question))) as T);
    }
    return { answers, silent: [...this.#cluster.silent] };
  }

  status(): MemberStatus {
    const nodes = this.#cluster.members.size;
    const splicesOut = this.splices.size;
    return { nodes, peers: nodes - 1, requestsIn: 3, requestsOut: 4, splicesIn: 5, splicesOut };
  }

  relays(): MemberRelay[] {
    const { members, silent } = this.#cluster;
    return Array.from(members.keys(), (node) => {
      return { node, address: `${node}.test:7000`, isLinked: !silent.has(node) };
    });
  }

  async awaitOthers(): Promise<void> {
    await this.onDone("awaitOthers");
  }

  async drain(): Promise<void> {
    for (const link of this.splices) link.terminate();
    await this.#do("drain");
  }

  async leave(): Promise<void> {
    this.isReady = false;
    this.#cluster.members.delete(this.node);
    await this.#do("leave");
  }

  async #do(what: string): Promise<void> {
    this.done.push(what);
    await this.onDone(what);
  }
}

/** Takes the messages of `from` to `to`, and its end. */
function pipe(from: Link, to: Link): void {
  from.handler = {
    onMessage: (message) => to.send(message),
    onClose: (code, reason) => {
      if (code === 1005 || code === 1006) to.terminate();
      else to.close(code, reason);
    },
  };
}

/** The error of a cluster that cannot be had. */
export const noCluster = new TunnelError("unavailable", "the engine cannot be reached");
