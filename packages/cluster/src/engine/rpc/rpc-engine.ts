import type { Verdict } from "../../directory.js";
import type {
  ClaimAnswer,
  ClaimRequest,
  Engine,
  EngineEvent,
  Entry,
  Held,
  Lost,
  NodeInfo,
} from "../engine.js";
import type { CallName } from "./messages.js";
import { ServerLink } from "./server-link.js";

/**
 * The primary's engine, as a worker has it. A connection that breaks is made again. The nodes that have
 * joined then renew their leases, and listeners are told to look again at all that they know.
 */
export class RpcEngine implements Engine {
  readonly #path: string;
  #link: ServerLink;
  readonly #joined = new Map<string, NodeInfo>();
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  #wasOpen = false;

  /** `path`: of the primary's socket, as EngineServer.listen gives it. */
  constructor(path: string) {
    this.#path = path;
    this.#link = this.#makeLink();
  }

  #makeLink(): ServerLink {
    return new ServerLink(this.#path, {
      onOpen: () => this.#onOpen(),
      onEvent: (event) => this.#tell(event),
    });
  }

  #onOpen(): void {
    if (this.#wasOpen) {
      // If that fails, the next renewal of the node is due in some seconds.
      for (const node of this.#joined.values()) this.renew(node).catch(() => {});
      this.#tell({ kind: "nodes" });
    }
    this.#wasOpen = true;
  }

  async join(node: NodeInfo): Promise<void> {
    if (this.#link.isClosed) this.#link = this.#makeLink();
    await this.#ask("join", node);
    this.#joined.set(node.id, node);
  }

  async renew(node: NodeInfo): Promise<void> {
    await this.#ask("renew", node);
    this.#joined.set(node.id, node);
  }

  async leave(node: string): Promise<void> {
    this.#joined.delete(node);
    await this.#ask("leave", node);
  }

  nodes(): Promise<NodeInfo[]> {
    return this.#ask("nodes");
  }

  find(name: string): Promise<Entry[]> {
    return this.#ask("find", name);
  }

  claim(request: ClaimRequest): Promise<ClaimAnswer> {
    return this.#ask("claim", request);
  }

  release(name: string, gen: number): Promise<boolean> {
    return this.#ask("release", name, gen);
  }

  changed(name: string, gen: number, moving: boolean): Promise<void> {
    return this.#ask("changed", name, gen, moving);
  }

  reconcile(node: string, held: readonly Held[]): Promise<Lost[]> {
    return this.#ask("reconcile", node, held);
  }

  verdict(session: string): Promise<Verdict | undefined> {
    return this.#ask("verdict", session);
  }

  remember(session: string, verdict: Verdict): Promise<void> {
    return this.#ask("remember", session, verdict);
  }

  stick(name: string, digest: string, gen: number): Promise<void> {
    return this.#ask("stick", name, digest, gen);
  }

  stuck(name: string, digest: string): Promise<number | undefined> {
    return this.#ask("stuck", name, digest);
  }

  read(key: string): Promise<{ readonly text: string; readonly revision: number } | undefined> {
    return this.#ask("read", key);
  }

  write(key: string, text: string, expected: number): Promise<boolean> {
    return this.#ask("write", key, text, expected);
  }

  lock(key: string, node: string, ms: number): Promise<boolean> {
    return this.#ask("lock", key, node, ms);
  }

  watch(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(event: EngineEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** The server is the same program, so its answers are taken for what they should be. */
  async #ask<T>(call: CallName, ...args: unknown[]): Promise<T> {
    return (await this.#link.ask(call, args)) as T;
  }

  /** Ends the leases of the nodes that have joined over this connection, too. */
  async close(): Promise<void> {
    this.#listeners.clear();
    this.#joined.clear();
    await this.#link.close();
  }
}
