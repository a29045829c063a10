import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { closeCodes, type Link, type Logger } from "mcp-tunnel-protocol";
import { WebSocketLink } from "mcp-tunnel-protocol/ws";
import { messageOf, printable } from "mcp-tunnel-shared";
import { type WebSocket, WebSocketServer } from "ws";
import {
  challengeLines,
  commonVersion,
  drawNonce,
  type Hello,
  isKnownKind,
  type LinkKind,
  offeredVersions,
  ownFeatures,
  peerPath,
  readHello,
  versionsField,
} from "./fields.js";
import type { RefusalLog } from "./refusal-log.js";
import type { Stranger } from "./peer-port.js";
import { Proofs } from "./proofs.js";
import { bindingOf } from "./tls.js";
import { firstText, refusePeer, webSocketOptions } from "./web-socket.js";

/** A link of another relay that has proved that it has the secret. It waits for an answer. */
export interface Caller {
  /** The id that the relay has given. */
  readonly node: string;
  readonly kind: LinkKind;
  readonly link: Link;
  /** The connection beneath the link. */
  readonly socket: Socket;
  /** What it asks for: JSON. */
  readonly request: string;
  /** Answers, once. */
  answer(answer: object): void;
}

/** Takes the calls of other relays, and turns everybody else away. */
export class Acceptor {
  readonly #node: string;
  readonly #secret: Buffer;
  readonly #log: RefusalLog;
  readonly #logger: Logger;
  readonly #onCaller: (caller: Caller) => void;
  readonly #http: Server;
  readonly #webSockets: WebSocketServer;
  readonly #strangers = new WeakMap<Duplex, Stranger>();
  /** Lines that the answer to an upgrade has besides those of `ws`. */
  readonly #lines = new WeakMap<IncomingMessage, string[]>();
  #isClosed = false;

  constructor(
    { node, secret, logger }: { node: string; secret: Buffer; logger: Logger },
    log: RefusalLog,
    onCaller: (caller: Caller) => void,
  ) {
    this.#node = node;
    this.#secret = secret;
    this.#log = log;
    this.#logger = logger;
    this.#onCaller = onCaller;
    this.#http = this.#createServer();
    this.#webSockets = new WebSocketServer({ noServer: true, clientTracking: false, ...webSocketOptions });
    this.#webSockets.on("headers", (headers, req) => headers.push(...(this.#lines.get(req) ?? [])));
    // `ws` by itself would answer, and would wait for the peer to read that however long it takes.
    this.#webSockets.on("wsClientError", (error, socket) => {
      this.#refuse(socket, "400 Bad Request", "no WebSocket", { error: printable(error.message) });
    });
  }

  /** Takes over a connection on which nothing has been said. */
  take(socket: Socket, stranger: Stranger): void {
    this.#strangers.set(socket, stranger);
    this.#http.emit("connection", socket);
  }

  /** Turns away whoever calls from now on. */
  close(): void {
    this.#isClosed = true;
  }

  /** A server that reads HTTP on connections that are given to it. It listens nowhere. */
  #createServer(): Server {
    // The port cuts slow strangers off, so Node need not.
    const server = createServer({ maxHeaderSize: 8_192, requestTimeout: 0, headersTimeout: 0 });
    server.on("upgrade", (req, socket, head) => this.#onUpgrade(req, socket, head));
    const onRequest = (req: IncomingMessage): void => {
      this.#refuse(req.socket, "404 Not Found", "no call of a relay");
    };
    for (const event of ["request", "checkContinue", "checkExpectation"]) server.on(event, onRequest);
    server.on("connect", (_req, socket) => this.#refuse(socket, "404 Not Found", "no call of a relay"));
    server.on("clientError", (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket) => {
      const isTls = error.rawPacket?.[0] === 0x16;
      const reason = isTls ? "TLS, which this relay was not told to use" : "no HTTP";
      this.#refuse(socket, "400 Bad Request", reason, { error: error.code });
    });
    return server;
  }

  #onUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (req.headers.origin !== undefined) {
      this.#refuse(socket, "403 Forbidden", "a web page");
      return;
    }
    if (req.url !== peerPath) {
      this.#refuse(socket, "404 Not Found", "no call of a relay");
      return;
    }
    const hello = readHello(req.rawHeaders);
    if (hello === undefined) {
      this.#refuse(socket, "400 Bad Request", "no call of a relay");
      return;
    }
    const said = { node: hello.from };
    if (this.#isClosed) {
      this.#refuse(socket, "503 Service Unavailable", "this relay is closing", said);
      return;
    }
    const version = commonVersion(hello);
    if (version === undefined) {
      const other = { ...said, versions: printable(hello.versions) };
      const field = `${versionsField}: ${offeredVersions}\r\n`;
      this.#refuse(socket, "426 Upgrade Required", "another version of the peer protocol", other, field);
      return;
    }
    if (hello.to !== this.#node || hello.from === this.#node) {
      this.#refuse(socket, "421 Misdirected Request", "a call for another relay", { ...said, for: hello.to });
      return;
    }
    if (!isKnownKind(hello.kind)) {
      this.#refuse(socket, "501 Not Implemented", "an unknown kind of link", { ...said, kind: hello.kind });
      return;
    }
    this.#shakeHands(req, socket as Socket, head, { ...hello, kind: hello.kind }, version);
  }

  #shakeHands(
    req: IncomingMessage,
    socket: Socket,
    head: Buffer,
    hello: Hello & { kind: LinkKind },
    version: number,
  ): void {
    const nonce = drawNonce();
    const features = ownFeatures.join(", ");
    const proofs = new Proofs(this.#secret, {
      version,
      kind: hello.kind,
      from: hello.from,
      to: hello.to,
      offeredVersions: hello.versions,
      dialerFeatures: hello.features,
      acceptorFeatures: features,
      dialerNonce: hello.nonce,
      acceptorNonce: nonce,
      binding: bindingOf(socket),
    });
    this.#lines.set(req, challengeLines({ version, features, nonce, proof: proofs.of("acceptor") }));
    this.#webSockets.handleUpgrade(req, socket, head, (ws: WebSocket) => {
      void this.#hear(new WebSocketLink(ws, socket, "none"), socket, hello, proofs);
    });
  }

  /** Hears what the caller proves and asks for. */
  async #hear(
    link: Link,
    socket: Socket,
    { from, kind }: { from: string; kind: LinkKind },
    proofs: Proofs,
  ): Promise<void> {
    const stranger = this.#strangers.get(socket);
    const refuse = (reason: string, details: object = {}): void => {
      this.#log.refused(reason, { address: stranger?.address, node: from, ...details });
      refusePeer({ link, socket }, reason);
    };
    let message: string;
    try {
      message = await firstText({ link, socket });
    } catch (error) {
      refuse("the handshake has failed", { error: printable(messageOf(error)) });
      return;
    }
    const request = proofs.open(message, "dialer");
    if (request === undefined) {
      refuse("the proof is wrong");
      return;
    }
    stranger?.admit();
    try {
      const answer = (given: object): void => link.send(proofs.sign("answer", JSON.stringify(given)));
      this.#onCaller({
        socket,
        node: from,
        kind,
        link,
        request,
        answer,
      });
    } catch (error) {
      this.#logger.error({ peer: from, error: messageOf(error) }, "a call of another relay has failed");
      link.close(closeCodes.internal, "relay error");
    }
  }

  /** Turns a stranger away, who may have been told so before. `fields`: of the answer, each with its CRLF. */
  #refuse(socket: Duplex, status: string, reason: string, details: object = {}, fields = ""): void {
    // Many requests may have come at once.
    if (!socket.writable) return;
    this.#log.refused(reason, { address: this.#strangers.get(socket)?.address, ...details });
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n${fields}\r\n`);
    // The answer leaves first. What still comes is read by nobody.
    (socket as Socket).destroySoon();
  }
}
