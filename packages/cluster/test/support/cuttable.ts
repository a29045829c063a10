import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A unix socket that leads to another one, and whose connections can be cut. */
export class CuttableSocket {
  readonly path: string;
  readonly #folder: string;
  readonly #server = createServer((near) => this.#join(near));
  readonly #pairs: { readonly near: Socket; readonly far: Socket }[] = [];
  readonly #target: string;

  private constructor(folder: string, target: string) {
    this.#folder = folder;
    this.path = join(folder, "socket");
    this.#target = target;
  }

  static async to(target: string): Promise<CuttableSocket> {
    const cuttable = new CuttableSocket(await mkdtemp(join(tmpdir(), "mcp-tunnel-cut-")), target);
    await cuttable.#listen();
    return cuttable;
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.path);
    await once(this.#server, "listening");
  }

  #join(near: Socket): void {
    const far = connect(this.#target);
    this.#pairs.push({ near, far });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("error", () => {});
      from.on("data", (chunk) => to.destroyed || to.write(chunk));
    }
  }

  /** Cuts the worker's end of all connections. The other ends are cut by {@link cutFar}. */
  cutNear(): void {
    for (const { near } of this.#pairs) near.destroy();
  }

  /** Cuts the primary's end of the connection that was made first. */
  cutFar(): void {
    this.#pairs.shift()?.far.destroy();
  }

  /** Lets no connection come any more until {@link open}. */
  async shut(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const { near, far } of this.#pairs.splice(0)) {
      near.destroy();
      far.destroy();
    }
    await closed;
  }

  async open(): Promise<void> {
    await this.#listen();
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.shut();
    await rm(this.#folder, { recursive: true });
  }
}
