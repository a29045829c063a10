import { type EventEmitter, once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import type { RelayOptions } from "mcp-tunnel";
import { createService, startTunnelClient, type TunnelClient } from "mcp-tunnel-client";
import { createGate, type GateEvent, type GateOptions } from "mcp-tunnel-gate";
import { gated } from "mcp-tunnel-gate/service";
import { startSecureRelay } from "./servers.js";

export const key = "mt_a-key-of-a-laptop-that-nobody-guesses";
export const user = { name: "ann", password: "swordfish in the pond" };
export const passcode = "lusab-babad-gutih-tugad-mubip";

/** A gate of each kind. */
export const allKinds: GateOptions = {
  bearer: { keys: [{ name: "laptop", key }] },
  basic: { users: [user] },
  oauth: { passcode },
};

/** Where the service begins an answer that it never ends. */
export const streamPath = "/mcp/stream";

/** A service that remembers each byte that reaches it, and tells who asks. */
export interface Canary {
  readonly port: number;
  /** Everything that has come, over all connections, one char for each byte. */
  readonly heard: string;
  /** The first lines of the requests that came. */
  readonly lines: string[];
  close(): Promise<void>;
}

export async function startCanary(): Promise<Canary> {
  let heard = "";
  const lines: string[] = [];
  const server = createServer((req, res) => {
    lines.push(`${req.method} ${req.url}`);
    req.resume();
    if (req.url === streamPath) return void res.write("open");
    res.end(JSON.stringify(req.rawHeaders));
  });
  server.on("connection", (socket) => {
    socket.on("data", (data: Buffer) => {
      heard += data.toString("latin1");
    });
  });
  server.on("upgrade", (req, socket) => {
    lines.push(`${req.method} ${req.url}`);
    socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
  });
  await listen(server);
  return {
    port: (server.address() as AddressInfo).port,
    get heard() {
      return heard;
    },
    lines,
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function listen(server: Server): Promise<void> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface AskInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string;
  /** Where the visitor comes from: an address of loopback. */
  readonly from?: string;
}

/** A tunnel with a gate before its service, behind a relay that speaks TLS and HTTP/2. */
export interface GatedTunnel {
  readonly name: string;
  readonly origin: string;
  readonly canary: Canary;
  readonly client: TunnelClient;
  readonly events: GateEvent[];
  /** A visit over HTTP/1.1 and TLS. */
  ask(path: string, init?: AskInit): Promise<Reply>;
}

export interface GatedWorld {
  readonly securePort: number;
  /** Over TLS to the relay all the same, and so from 127.0.0.1. */
  readonly plainPort: number;
  readonly tunnel: GatedTunnel;
  /** Opens another tunnel of the same relay. */
  publish(name: string, options?: GateOptions): Promise<GatedTunnel>;
  close(): Promise<void>;
}

/** The first tunnel is called `app`. */
export async function startGatedWorld(
  options: GateOptions = allKinds,
  relayOptions: Partial<RelayOptions> = {},
): Promise<GatedWorld> {
  const relay = await startSecureRelay(relayOptions);
  const opened: { close(): Promise<void> }[] = [];
  const publish = async (name: string, gateOptions: GateOptions = allKinds): Promise<GatedTunnel> => {
    const events: GateEvent[] = [];
    const canary = await startCanary();
    opened.push(canary);
    const gate = await createGate({ ...gateOptions, onEvent: (event) => events.push(event) });
    const client = await startTunnelClient({
      service: gated(createService({ port: canary.port }), gate),
      relayUrl: `http://127.0.0.1:${relay.plainPort}`,
      token: "token",
      subdomain: name,
    });
    opened.push(client);
    const { origin } = new URL(client.url ?? "");
    const ask = (path: string, init: AskInit = {}) =>
      askOver(relay.securePort, new URL(origin).host, path, init);
    return { name, origin, canary, client, events, ask };
  };
  return {
    securePort: relay.securePort,
    plainPort: relay.plainPort,
    tunnel: await publish("app", options),
    publish,
    async close() {
      for (const one of opened.toReversed()) await one.close();
      await relay.close();
    },
  };
}

async function askOver(port: number, host: string, path: string, init: AskInit): Promise<Reply> {
  const req = request({
    ...{ host: "127.0.0.1", port, path, method: init.method ?? "GET", agent: false },
    ...{ rejectUnauthorized: false, localAddress: init.from ?? "127.0.0.1" },
    headers: { host, ...init.headers },
  });
  req.end(init.body);
  const [res] = await once(req as EventEmitter, "response");
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk);
  return { status: res.statusCode, headers: res.headers, text: Buffer.concat(chunks).toString() };
}
