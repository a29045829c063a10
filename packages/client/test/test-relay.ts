import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingHttpHeaders, RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { ServerOptions } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { parsePick, parseRegister, TunnelError } from "mcp-tunnel-protocol";
import { JsonRelaySession, V1RelaySession } from "mcp-tunnel-protocol/sessions";
import type { Link, RegisterMessage } from "mcp-tunnel-protocol";
import { WebSocketLink } from "mcp-tunnel-protocol/ws";
import { WebSocketServer } from "ws";
import { reset } from "../../../test/support/reset.js";

/** The answer of the test relay to a registration. */
export type Answer =
  | { readonly accept: string }
  | { readonly offer: readonly string[] }
  | { readonly close: number; readonly reason?: string }
  /** The relay sends this text, and nothing else. */
  | { readonly say: string }
  /** The relay does not answer. */
  | "silence";

interface Kept {
  readonly session: V1RelaySession;
  readonly secret: string;
}

/**
 * A relay without visitors: it registers clients as the test says and hands their sessions to it. While
 * `keeps` is true, it keeps version 1 sessions whose link is lost.
 */
export class TestRelay {
  /** Whether the relay speaks version 1. */
  v1 = true;
  keeps = true;
  /** Whether the relay announces that it writes `X-Tunnel-Visitor`. */
  visitorAddress = false;
  /** What the relay announces in its answer to the handshake. */
  features: string | undefined;
  /** The package of the client that the relay tells of, asked or not. */
  clientPackage: unknown;
  resumeTimeoutMs = 60_000;
  /** Certificate and key of a relay that speaks TLS. Default: it does not. */
  tls: ServerOptions | undefined;
  /** The fields of each handshake. */
  readonly handshakes: IncomingHttpHeaders[] = [];
  answer: (message: RegisterMessage) => Answer = (message) => ({ accept: message.subdomain ?? "drawn" });
  readonly registrations: RegisterMessage[] = [];
  readonly picks: string[] = [];
  /** How often a session was resumed. */
  resumptions = 0;
  /** The session registered last. */
  session: V1RelaySession | JsonRelaySession | undefined;
  /** Every session that has ended, with the code it ended with. */
  readonly ended: { code: number | undefined }[] = [];
  port = 0;
  /** While true, handshakes are answered with 503. */
  refusing = false;
  #server = createServer();
  readonly #sockets = new Set<Socket>();
  readonly #kept = new Map<string, Kept>();
  readonly #waiters = new Set<() => void>();

  get url(): string {
    return `${this.tls === undefined ? "http" : "https"}://127.0.0.1:${this.port}`;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  async listen(): Promise<this> {
    const noRelay: RequestListener = (_req, res) => res.writeHead(404).end("no relay here");
    const server = this.tls === undefined ? createServer(noRelay) : createSecureServer(this.tls, noRelay);
    this.#server = server;
    const webSockets = new WebSocketServer({ noServer: true, maxPayload: 1 << 24 });
    webSockets.on("headers", (headers) => {
      if (this.features !== undefined) headers.push(`x-tunnel-FEATURES: ${this.features}`);
    });
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        this.#wake();
      });
    });
    server.on("upgrade", (request, socket: Socket, head) => {
      socket.on("error", () => {});
      this.handshakes.push(request.headers);
      if (this.refusing || request.url !== "/_tunnel/register") {
        socket.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
        return;
      }
      webSockets.handleUpgrade(request, socket, head, (ws) => this.#onLink(new WebSocketLink(ws, socket)));
    });
    server.listen(this.port, "127.0.0.1");
    await once(server, "listening");
    this.port = (server.address() as AddressInfo).port;
    return this;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) reset(socket);
  }

  /**
   * Acts as if the process had ended: nothing listens, all connections are cut, and no session is remembered.
   */
  async crash(): Promise<void> {
    this.#server.close();
    this.cut();
    for (const { session } of this.#kept.values())
      session.destroy(new TunnelError("session_lost", "crashed"));
    this.#kept.clear();
    this.session = undefined;
    if (this.#server.listening) await once(this.#server, "close");
  }

  /** Takes no more connections. Open connections stay. */
  stopListening(): void {
    this.#server.close();
  }

  async close(): Promise<void> {
    const { listening } = this.#server;
    await this.crash();
    for (const socket of this.#sockets) socket.destroy();
    if (listening) await this.until(() => this.#sockets.size === 0);
  }

  /** Waits until `condition` holds. It is checked whenever something happens here. */
  async until(condition: (relay: this) => boolean): Promise<void> {
    while (!condition(this)) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiters.delete(wake);
          resolve();
        };
        this.#waiters.add(wake);
      });
    }
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }

  #onLink(link: WebSocketLink): void {
    link.handler = {
      onMessage: (message) => {
        const register = parseRegister(String(message));
        if (register !== undefined) this.#onRegister(link, register);
      },
      onClose: () => this.#wake(),
    };
  }

  #onRegister(link: WebSocketLink, message: RegisterMessage): void {
    this.registrations.push(message);
    const answer = this.answer(message);
    if (answer === "silence") {
    } else if ("close" in answer) {
      link.close(answer.close, answer.reason ?? "");
    } else if ("say" in answer) {
      link.send(answer.say);
    } else if ("offer" in answer) {
      link.handler = {
        onMessage: (text) => {
          const pick = parsePick(String(text));
          if (pick === undefined) return;
          this.picks.push(pick.subdomain);
          this.#accept(link, pick.subdomain, message);
        },
        onClose: () => this.#wake(),
      };
      link.send(JSON.stringify({ subdomains: answer.offer }));
    } else this.#accept(link, answer.accept, message);
    this.#wake();
  }

  #accept(link: WebSocketLink, subdomain: string, message: RegisterMessage): void {
    const announced = this.visitorAddress ? { visitorAddress: true } : {};
    const { clientPackage } = this;
    const url = `https://${subdomain}.relay.test`;
    const acknowledge = { subdomain, url, ...announced, clientPackage };
    if (!this.v1) {
      link.send(JSON.stringify(acknowledge));
      this.session = new JsonRelaySession(link, { onClose: (_error, code) => this.#onEnded(code) });
      this.#wake();
      return;
    }
    if (message.resume !== undefined && this.#resume(link, acknowledge, message.resume)) return;
    const id = randomBytes(8).toString("hex");
    const secret = randomBytes(16).toString("hex");
    const session = new V1RelaySession(
      {
        onClose: (_error, code) => this.#onEnded(code),
        onDetached: (cause) => {
          this.#wake();
          if (!this.keeps) session.destroy(cause);
        },
        onGoaway: () => this.#wake(),
      },
      { sendWindow: message.window ?? 65_536 },
    );
    this.#kept.set(id, { session, secret });
    this.session = session;
    const { resumeTimeoutMs } = this;
    link.send(JSON.stringify({ ...acknowledge, protocol: 1, session: { id, secret }, resumeTimeoutMs }));
    session.attach(link, 0);
    this.#wake();
  }

  #resume(link: Link, acknowledge: object, resume: NonNullable<RegisterMessage["resume"]>): boolean {
    const kept = this.#kept.get(resume.session);
    if (kept === undefined || kept.session.closed || kept.secret !== resume.secret) return false;
    this.resumptions += 1;
    const { session } = kept;
    const resumed = { received: session.received };
    const again = { id: resume.session, secret: resume.secret };
    link.send(JSON.stringify({ ...acknowledge, protocol: 1, session: again, resumed }));
    session.attach(link, resume.received);
    this.session = session;
    this.#wake();
    return true;
  }

  #onEnded(code: number | undefined): void {
    this.ended.push({ code });
    this.#wake();
  }
}
