import { fileURLToPath } from "node:url";
import { request } from "undici";
import { Scrape } from "../../admin/support.js";
import { type RelayCommand, startRelayCommand } from "../../support/commands.js";
import { freePort } from "../../support/free-port.js";
import { Gate } from "./gate.js";
import { eventually } from "./eventually.js";

const machineAddress = fileURLToPath(new URL("machine-address.mjs", import.meta.url));

/** What all relays of a cluster are started with. */
export interface RelaySetup {
  readonly engine: string;
  readonly secretFile: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** No limit of one address plays a part: all clients and visitors of a test have the same. */
const limits = {
  MCP_TUNNEL_MAX_REGISTRATIONS_PER_MINUTE: "1000000",
  MCP_TUNNEL_MAX_CONNECTIONS_PER_ADDRESS: "10000",
};

/** One relay of a cluster, at the same address for its peers at each start. */
export class ClusterRelay {
  readonly index: number;
  /** The public port: another one after each start. */
  port = 0;
  /** Where its connections to others come from. */
  readonly address: string;
  /** The way of the other relays to this one. */
  readonly peerGate: Gate;
  /** Arguments of the next starts, behind those of all relays. */
  extraArgs: readonly string[] = [];
  /** The same for its environment. `NODE_OPTIONS` are added to those that it has anyway. */
  extraEnv: NodeJS.ProcessEnv = {};
  /** The last health check succeeded. Balancers lead nobody to a relay that is not up. */
  isUp = false;
  #isLeft = false;
  readonly #peerPort: number;
  #adminPort = 0;
  readonly #setup: RelaySetup;
  #command: RelayCommand | undefined;

  private constructor(index: number, peerPort: number, peerGate: Gate, setup: RelaySetup) {
    this.index = index;
    this.address = `127.0.1.${index + 1}`;
    this.#peerPort = peerPort;
    this.peerGate = peerGate;
    this.#setup = setup;
  }

  /** Makes a relay that is not started yet. */
  static async prepare(index: number, setup: RelaySetup): Promise<ClusterRelay> {
    const peerPort = await freePort();
    const gate = await Gate.open(() => [peerPort]);
    return new ClusterRelay(index, peerPort, gate, setup);
  }

  get isRunning(): boolean {
    return this.#command !== undefined;
  }

  /** The process, with its output. */
  get command(): RelayCommand {
    if (this.#command === undefined) throw new Error(`relay ${this.index} is not running`);
    return this.#command;
  }

  get admin(): string {
    return `http://127.0.0.1:${this.#adminPort}`;
  }

  /** The id that it has drawn at this start. */
  get node(): string {
    return this.command.json.find(({ msg }) => msg === "cluster joined")?.["node"] as string;
  }

  async start(): Promise<void> {
    await this.peerGate.listen();
    // A relay that has no answer of the engine in 2 s does not start. On a machine as busy as that a service
    // manager starts it again.
    for (let tries = 1; this.#command === undefined; tries++) {
      try {
        this.#command = await this.#run();
      } catch (error) {
        if (tries === 3 || !/within 2000 ms: no answer/.test(String(error))) throw error;
      }
    }
    this.#isLeft = false;
    this.port = this.command.port;
    this.#adminPort = (await this.command.waitForJson({ msg: "admin API listening" }))["port"] as number;
    this.isUp = true;
  }

  #run(): Promise<RelayCommand> {
    const { engine, secretFile, args, env } = this.#setup;
    return startRelayCommand(
      [
        ...["--port", "0", "--admin-listen", "127.0.0.1:0"],
        ...["--cluster", engine, "--cluster-secret-file", secretFile],
        ...["--peer-listen", `127.0.0.1:${this.#peerPort}`],
        ...[
          "--peer-advertise",
          `127.0.0.1:${this.peerGate.port}`,
          "--public-url",
          "http://{subdomain}.{domain}",
        ],
        ...args,
        ...this.extraArgs,
      ],
      {
        TEST_MACHINE_ADDRESS: this.address,
        ...limits,
        ...env,
        ...this.extraEnv,
        NODE_OPTIONS: `--import ${machineAddress} ${this.extraEnv["NODE_OPTIONS"] ?? ""}`,
      },
    );
  }

  /** SIGKILL. Balancers are not told: they find out. */
  async kill(): Promise<void> {
    const { command } = this;
    this.#command = undefined;
    this.peerGate.stopListening();
    command.child.kill("SIGKILL");
    await command.exited;
  }

  /** The machine is gone: those who have connections to it, or want some, are told nothing. */
  async vanish(others: readonly ClusterRelay[]): Promise<void> {
    for (const { address } of others) this.peerGate.rule(address, "silence");
    const { command } = this;
    this.#command = undefined;
    command.child.kill("SIGKILL");
    await command.exited;
  }

  /**
   * SIGTERM. Resolves with its exit status when it has stopped by itself. The balancers leave it before, as
   * the documentation asks of balancers: connections that come while the port closes are reset.
   */
  async stop(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const { command } = this;
    this.#isLeft = true;
    this.isUp = false;
    command.child.kill("SIGTERM");
    const exit = await command.exited;
    this.#command = undefined;
    this.peerGate.stopListening();
    return exit;
  }

  /** Stops the process where it is: it keeps its connections, and answers nothing. */
  freeze(): void {
    this.command.child.kill("SIGSTOP");
  }

  thaw(): void {
    this.command.child.kill("SIGCONT");
  }

  /** What a balancer asks twice a second, and what it concludes at once. */
  async checkHealth(): Promise<void> {
    const isReady = this.isRunning && (await this.#isReady());
    this.isUp = isReady && !this.#isLeft;
  }

  async #isReady(): Promise<boolean> {
    try {
      const answer = await request(`${this.admin}/readyz`, { headersTimeout: 1_500, bodyTimeout: 1_500 });
      await answer.body.dump();
      return answer.statusCode === 200;
    } catch {
      return false;
    }
  }

  metrics(): Promise<Scrape> {
    return Scrape.at(this.admin);
  }

  /** A gauge of the relay's own, such as `nodes`. */
  async gauge(name: string, labels?: Record<string, string>): Promise<number> {
    return (await this.metrics()).value(`mcp_tunnel_cluster_${name}`, labels);
  }

  /** Waits for links to so many other relays. */
  async seesOthers(count: number): Promise<void> {
    await eventually(
      async () => (await this.gauge("peers")) === count,
      `links of relay ${this.index} to ${count} others`,
    );
  }

  async close(): Promise<void> {
    const command = this.#command;
    this.#command = undefined;
    command?.child.kill("SIGCONT");
    command?.child.kill("SIGKILL");
    await command?.exited;
    await this.peerGate.close();
  }
}
