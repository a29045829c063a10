import { vi } from "vitest";
import { type AdminRelay, Scrape, startAdminRelay } from "../../admin/support.js";
import { type ClientCommand, startClientCommand } from "../../support/commands.js";
import { honestExchange, Survivor } from "./survivor.js";

/** The relay command and an honest client under `demo`, both of which have to survive. */
export class FuzzedTunnel {
  readonly relay: Survivor<AdminRelay>;
  readonly client: Survivor<ClientCommand>;

  constructor(servicePort: number) {
    this.relay = new Survivor(() =>
      startAdminRelay(["--access-log", "off", "--resume-timeout", "200ms", "--hold-timeout", "200ms"]),
    );
    this.client = new Survivor(async () => {
      const { port } = await this.relay.get();
      return startClientCommand(servicePort, port, ["--subdomain", "demo"]);
    });
  }

  /** Starts what is not running. Returns the relay's port. */
  async ready(): Promise<number> {
    const { port } = await this.relay.get();
    await this.client.get();
    return port;
  }

  /** @throws Error unless both are well and an honest visitor gets his answer. */
  async expectWell(): Promise<void> {
    this.relay.check();
    this.client.check();
    const { port } = await this.relay.get();
    await honestExchange(port);
    this.relay.check();
    this.client.check();
  }

  /** After all attacks: nothing of them is left open. */
  async expectNothingLeft(): Promise<void> {
    const relay = await this.relay.get();
    await vi.waitFor(
      async () => {
        const scrape = await Scrape.of(relay);
        const left = {
          requests: scrape.value("mcp_tunnel_requests_open"),
          streams: scrape.value("mcp_tunnel_streams"),
          others: scrape.value("mcp_tunnel_tunnels", { state: "online" }) - 1,
          away: scrape.value("mcp_tunnel_tunnels", { state: "away" }),
        };
        const counts = JSON.stringify(left);
        if (/[1-9]/.test(counts)) throw new Error(`left open: ${counts}`);
      },
      { timeout: 10_000, interval: 100 },
    );
    // What was said late.
    this.relay.check();
    this.client.check();
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.relay.close();
  }
}
