import { startTunnelClient, type TunnelClient, type TunnelClientOptions } from "mcp-tunnel-client";
import { END, frame, types, UPGRADE } from "../../../packages/protocol/test/support/wire.js";
import { type RawServer, startRawServer } from "../../support/raw-server.js";
import { type RawPeer, type RawRelay, startRawRelay } from "./raw-peers.js";
import type { RequestVector } from "./vectors.js";

/**
 * A relay that was taken over, the client that trusts it no further than it must, and the client's local
 * service.
 */
export class HostileRelay {
  readonly service: RawServer;
  readonly peer: RawPeer;
  /** The bytes of each connection to the local service since `forget`. */
  connections: string[] = [];
  readonly #relay: RawRelay;
  readonly #client: TunnelClient;
  #stream = 0;

  private constructor(
    service: RawServer,
    relay: RawRelay,
    peer: RawPeer,
    client: TunnelClient,
    connections: string[],
  ) {
    this.service = service;
    this.peer = peer;
    this.connections = connections;
    this.#relay = relay;
    this.#client = client;
  }

  static async start(options: Partial<TunnelClientOptions> = {}): Promise<HostileRelay> {
    const connections: string[] = [];
    // A lenient server: it answers any bytes and keeps the connection.
    const service = await startRawServer((socket) => {
      const index = connections.push("") - 1;
      socket.on("data", (chunk) => {
        connections[index] += chunk.toString("latin1");
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      });
    });
    const relay = await startRawRelay();
    const relayUrl = `http://127.0.0.1:${relay.port}`;
    const [peer, client] = await Promise.all([
      relay.nextClient(),
      startTunnelClient({ port: service.port, relayUrl, shutdownGraceMs: 0, ...options }),
    ]);
    return new HostileRelay(service, relay, peer, client, connections);
  }

  /** Empties `connections`. Open connections stay open. */
  forget(): void {
    this.connections.fill("");
  }

  /** The bytes of the connections that were used since `forget`. */
  get used(): string[] {
    return this.connections.filter((text) => text !== "");
  }

  /** Sends a request whose head is these lines. Returns the client's reaction. */
  async send(head: string, vector: Partial<RequestVector> = {}): Promise<"answered" | "refused"> {
    const id = ++this.#stream;
    const { body, trailers, upgrade = false } = vector;
    const flags = (body === undefined && !upgrade ? END : 0) | (upgrade ? UPGRADE : 0);
    const messages = [frame(types.REQUEST | flags, id, head)];
    if (body !== undefined) messages.push(frame(types.DATA | (trailers === undefined ? END : 0), id, body));
    if (trailers !== undefined) messages.push(frame(types.END, id, trailers.join("\n")));
    const before = this.peer.frames.length;
    this.peer.send(Buffer.concat(messages));
    const answer = await this.peer.until((frames) =>
      frames
        .slice(before)
        .find(({ stream, type }) => stream === id && (type === types.RESPONSE || type === types.RESET)),
    );
    return answer.type === types.RESPONSE ? "answered" : "refused";
  }

  async close(): Promise<void> {
    await this.#client.close();
    await Promise.all([this.#relay.close(), this.service.close()]);
  }
}

/** The Host fields of a request. */
export function hostsIn(request: string): string[] {
  const head = request.slice(0, request.indexOf("\r\n\r\n"));
  return [...head.matchAll(/^Host: (.*)$/gim)].map((match) => (match[1] as string).trimEnd());
}

/**
 * The body by the framing that the head announces, if it is complete and no byte is left over.
 * @throws Error when the head announces two framings.
 */
export function wholeBody(request: string): string | undefined {
  const end = request.indexOf("\r\n\r\n");
  const head = request.slice(0, end);
  const rest = request.slice(end + 4);
  const lengths = [...head.matchAll(/^content-length: *(\d+)/gim)];
  const codings = [...head.matchAll(/^transfer-encoding: *(\S+)/gim)];
  if (lengths.length + codings.length > 1) throw new Error(`two framings: ${JSON.stringify(head)}`);
  if (codings.length === 0) return rest.length === Number(lengths[0]?.[1] ?? 0) ? rest : undefined;
  if (!rest.endsWith("0\r\n\r\n") && !/\r\n0\r\n(?:[\w-]+: .*\r\n)+\r\n$/.test(rest)) return undefined;
  let body = "";
  for (let at = 0; ; ) {
    const line = rest.indexOf("\r\n", at);
    const size = Number.parseInt(rest.slice(at, line), 16);
    if (size === 0) return body;
    body += rest.slice(line + 2, line + 2 + size);
    at = line + 4 + size;
  }
}
