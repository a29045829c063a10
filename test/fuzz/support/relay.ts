import { vi } from "vitest";
import { type AdminRelay, Scrape, startAdminRelay } from "../../admin/support.js";
import { type ClientCommand, startClientCommand } from "../../support/commands.js";
import type { Identity } from "./identity.js";
import { honestExchange, honestHttp2Exchange, Survivor } from "./survivor.js";

/** The relay command and an honest client under `demo`, both of which have to survive. */
export class FuzzedTunnel {
  readonly relay: Survivor<AdminRelay>;
  readonly client: Survivor<ClientCommand>;

  readonly #ca: string | undefined;

  /** With `identity`, the relay speaks TLS. */
  constructor(servicePort: number, identity?: Identity) {
    this.#ca = identity?.ca;
    const args = ["--access-log", "off", "--resume-timeout", "200ms", "--hold-timeout", "200ms"];
    // After this time the relay asks whether a visitor of HTTP/2 is still there.
    if (identity !== undefined) args.push("--idle-timeout", "1s");
    this.relay = new Survivor(() => startAdminRelay([...args, ...(identity?.relayArgs ?? [])]));
    this.client = new Survivor(async () => {
      const { port } = await this.relay.get();
      const name = ["--subdomain", "demo"];
      if (identity === undefined) return startClientCommand(servicePort, port, name);
      const url = ["--relay", `https://127.0.0.1:${port}`];
      return startClientCommand(servicePort, port, [...url, ...name], {
        NODE_EXTRA_CA_CERTS: identity.caFile,
      });
    });
  }

  /** Starts the commands that are not running. Returns the relay's port. */
  async ready(): Promise<number> {
    const { port } = await this.relay.get();
    await this.client.get();
    return port;
  }

  /**
   * @throws Error unless both commands are well and an honest visitor gets his answer, over each version of
   * HTTP.
   */
  async expectWell(): Promise<void> {
    this.relay.check();
    this.client.check();
    const { port } = await this.relay.get();
    await honestExchange(port, "demo.localhost", this.#ca);
    if (this.#ca !== undefined) await honestHttp2Exchange(port, "demo.localhost", this.#ca);
    this.relay.check();
    this.client.check();
  }

  /** After attacks: checks that nothing of them is left open. */
  async expectNothingLeft(): Promise<void> {
    try {
      await vi.waitFor(() => this.#countLeft(), { timeout: 10_000, interval: 20 });
    } catch (error) {
      // The next attempt begins with new commands.
      await this.client.kill();
      await this.relay.kill();
      throw error;
    }
    // Faults that the commands reported late.
    this.relay.check();
    this.client.check();
  }

  /** @throws Error if anything is left. */
  async #countLeft(): Promise<void> {
    const scrape = await Scrape.of(await this.relay.get());
    const left = {
      requests: scrape.value("mcp_tunnel_requests_open"),
      streams: scrape.value("mcp_tunnel_streams"),
      others: scrape.value("mcp_tunnel_tunnels", { state: "online" }) - 1,
      away: scrape.value("mcp_tunnel_tunnels", { state: "away" }),
    };
    const counts = JSON.stringify(left);
    if (/[1-9]/.test(counts)) throw new Error(`left open: ${counts}`);
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.relay.close();
  }
}
