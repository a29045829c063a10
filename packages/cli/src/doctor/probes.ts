import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { createService } from "mcp-tunnel-client";
import type { Service } from "mcp-tunnel-client";
import { WebSocketServer } from "ws";

/** The longest body that is sent on request, in bytes. */
export const maxSourceBytes = 64 * 1_024 * 1_024;

/** The body of the probe that only answers. */
const hereText = "the doctor is here";

/**
 * What the doctor serves beside the user's service, so that nothing of that is touched: answers that stream,
 * stay silent, are large, or echo. Nobody else knows the path.
 */
export class Probes {
  /** All paths begin with it. */
  readonly prefix = `/${randomBytes(18).toString("base64url")}`;
  readonly service: Service;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  /** The streams that wait for {@link finishStreams}. */
  readonly #streams = new Set<ServerResponse>();
  /** The streams that say nothing until {@link wake}. */
  readonly #idle = new Set<ServerResponse>();

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.service = createService({ server: this.#server });
  }

  /** Whether the answer is that of `/here`. */
  isHere(body: Buffer): boolean {
    return body.toString() === hereText;
  }

  /** Sends the last event of the streams, and ends them. */
  finishStreams(): void {
    for (const stream of this.#streams) stream.end("data: last\n\n");
    this.#streams.clear();
  }

  /** Sends an event to the streams that have been silent. */
  wake(): void {
    for (const stream of this.#idle) stream.write("data: next\n\n");
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
    this.#server.closeAllConnections();
    await this.service.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    switch (pathname.slice(this.prefix.length)) {
      case "/here":
        response.setHeader("Content-Type", "text/plain");
        response.end(hereText);
        return;
      case "/stream":
        this.#stream(response, this.#streams);
        return;
      case "/idle":
        this.#stream(response, this.#idle);
        return;
      case "/sink":
        sink(request, response);
        return;
      case "/source":
        send(response, Math.min(Number(searchParams.get("bytes")), maxSourceBytes));
        return;
      case "/echo":
        // The request has lost its Upgrade on the way.
        response.writeHead(426).end();
        return;
      default:
        response.writeHead(404).end();
    }
  }

  /** The first event comes at once. */
  #stream(response: ServerResponse, waiting: Set<ServerResponse>): void {
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    response.write("data: first\n\n");
    waiting.add(response);
    response.once("close", () => waiting.delete(response));
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#sockets.handleUpgrade(request, socket, head, (opened) => {
      opened.on("message", (data, isBinary) => opened.send(data, { binary: isBinary }));
      opened.on("error", () => opened.terminate());
    });
  }
}

/** Answers with the number of bytes that have come. */
function sink(request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.once("end", () => {
    response.setHeader("Content-Type", "text/plain");
    response.end(String(bytes));
  });
}

/** Bytes that no proxy can compress. They are the same over and over, to cost little. */
const block = randomBytes(65_536);

function send(response: ServerResponse, bytes: number): void {
  response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": bytes });
  let left = bytes;
  const write = (): void => {
    while (left > 0) {
      const chunk = block.subarray(0, left);
      left -= chunk.length;
      if (!response.write(chunk)) {
        response.once("drain", write);
        return;
      }
    }
    response.end();
  };
  write();
}
