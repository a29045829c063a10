import {
  constants,
  createServer,
  type Http2Server,
  type Http2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import { headerValue } from "mcp-tunnel-protocol";
import type { LimitReporter } from "../../telemetry/limit-reporter.js";
import type { Limits } from "../../limits.js";
import { closingMs } from "../../net/closing.js";
import { Http2Request, Http2Response } from "../wire/http2.js";
import type { Router } from "../route/router.js";

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = constants;

/** How many seconds' worth of resets a visitor may spend at once. */
const resetBurstS = 10;

/**
 * What is known of a visitor's session. Streams that end in a reset before they were answered cost the relay an exchange
 * and the visitor nothing (CVE-2023-44487), so they are counted.
 */
class SessionState {
  /** The connection below it. */
  readonly socket: TLSSocket;
  streams = 0;
  /** It was asked whether it is still there. */
  awaitsPong = false;
  /** It was found to be over, and its connection is still there. */
  isOver = false;
  readonly #resetsPerSecond: number;
  #allowance: number;
  #countedAt = performance.now();

  constructor(socket: TLSSocket, resetsPerSecond: number) {
    this.socket = socket;
    this.#resetsPerSecond = resetsPerSecond;
    this.#allowance = resetsPerSecond * resetBurstS;
  }

  /** Counts a reset; false when there were too many. */
  allowsReset(): boolean {
    const now = performance.now();
    const earned = ((now - this.#countedAt) / 1_000) * this.#resetsPerSecond;
    this.#allowance = Math.min(this.#resetsPerSecond * resetBurstS, this.#allowance + earned) - 1;
    this.#countedAt = now;
    return this.#allowance >= 0;
  }
}

/** The HTTP/2 sessions of visitors, over connections that were accepted and negotiated elsewhere. */
export class Http2Sessions {
  readonly #router: Router;
  readonly #reporter: LimitReporter;
  readonly #sessions = new Map<Http2Session, SessionState>();
  readonly #limits: Limits;
  readonly #server: Http2Server;
  /** The connection that is being accepted. */
  #accepting: TLSSocket | undefined;
  #sweep: NodeJS.Timeout | undefined;

  constructor(router: Router, limits: Limits, reporter: LimitReporter) {
    this.#router = router;
    this.#limits = limits;
    this.#reporter = reporter;
    this.#server = createServer({
      maxSessionInvalidFrames: 100,
      maxSessionRejectedStreams: 100,
      // Cookies come in pieces, and each counts.
      maxHeaderListPairs: limits.maxHeaderCount,
      settings: {
        // Node's default is 2^32-1.
        maxConcurrentStreams: limits.maxStreamsPerConnection,
        // HTTP/2 counts 32 for each field besides its text.
        maxHeaderListSize: limits.maxHeaderBytes + 32 * limits.maxHeaderCount,
        // What a visitor may send ahead of a tunnel that is slow to take it, for each stream. 64 KiB, the default,
        // would hold uploads at 5 Mbit/s over a line of 100 ms.
        initialWindowSize: 262_144,
        enableConnectProtocol: true,
      },
    });
    this.#server.on("session", (session) => this.#onSession(session));
    this.#server.on(
      "stream",
      (stream: ServerHttp2Stream, _headers: object, _flags: number, fields: string[]) =>
        router.guard(stream, () => this.#onStream(stream, fields)),
    );
    // The session is closed, and nothing else concerned.
    this.#server.on("sessionError", () => {});
  }

  /** Serves a connection that has chosen `h2`. */
  accept(socket: TLSSocket): void {
    this.#accepting = socket;
    this.#server.emit("connection", socket);
    this.#accepting = undefined;
  }

  /** Tells all visitors to use another connection; streams that are open go on. */
  drain(): void {
    for (const session of this.#sessions.keys()) session.close();
  }

  /** Ends all sessions at once. */
  cut(): void {
    for (const session of this.#sessions.keys()) session.destroy();
  }

  #onSession(session: Http2Session): void {
    // Node makes the session while the connection is given to it.
    const state = new SessionState(this.#accepting as TLSSocket, this.#limits.maxResetsPerSecond);
    this.#sessions.set(session, state);
    session.on("close", () => this.#forget(session));
    session.setTimeout(this.#limits.idleTimeoutMs);
    session.on("timeout", () => this.#router.guard(state.socket, () => this.#onIdle(session, state)));
    this.#sweep ??= setInterval(() => this.#endThoseThatAreOver(), closingMs / 2).unref();
  }

  #onIdle(session: Http2Session, state: SessionState): void {
    if (state.streams === 0) {
      this.#reporter.hit("idle_time");
      session.close();
    } else if (state.awaitsPong) {
      session.destroy(new Error("the visitor answers no ping"));
    } else {
      // Silence alone is no reason: an event stream may be quiet for hours. But a visitor may have left: after a frame that
      // breaks the protocol, nghttp2 says goodbye and reads no more, of which Node does not tell.
      state.awaitsPong = true;
      session.ping((error) => {
        if (error === null) state.awaitsPong = false;
      });
      session.setTimeout(this.#limits.idleTimeoutMs);
    }
  }

  #forget(session: Http2Session): void {
    this.#sessions.delete(session);
    if (this.#sessions.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }

  /**
   * Node ends a session's connection once all that was written has left, and waits for the visitor to close his end. A
   * visitor who reads nothing or stays would keep it for ever. Many things end a session, some of them inside of Node,
   * so those that are over are looked for.
   */
  #endThoseThatAreOver(): void {
    for (const [session, state] of this.#sessions) {
      if (!session.destroyed && (!session.closed || state.streams > 0)) continue;
      if (state.isOver) state.socket.destroy();
      state.isOver = true;
    }
  }

  #onStream(stream: ServerHttp2Stream, fields: string[]): void {
    // Also of one that is gone already.
    stream.on("error", () => {});
    const { session } = stream;
    const state = session === undefined ? undefined : this.#sessions.get(session);
    // Gone before it was seen.
    if (session === undefined || state === undefined || session.destroyed) return;
    state.streams += 1;
    const guard = (action: () => void): void => this.#router.guard(stream, action);
    stream.on("close", () => {
      state.streams -= 1;
      guard(() => this.#countReset(stream, session, state));
    });

    const request = new Http2Request(stream, fields);
    const response = new Http2Response(request, stream, guard);
    const { protocol } = request;
    if (request.method === "CONNECT" || (protocol !== undefined && protocol !== "websocket")) {
      response.writeHead(501, []);
      response.end();
    } else if (protocol !== undefined) this.#router.onConnect(request, response, stream);
    else {
      const expectation = headerValue(request.rawHeaders, "expect")?.toLowerCase();
      this.#router.onRequest(request, response, expectation === "100-continue");
    }
  }
  #countReset(stream: ServerHttp2Stream, session: Http2Session, state: SessionState): void {
    // By the visitor, or because of a mistake that the visitor made on purpose (CVE-2025-8671).
    const unanswered = stream.rstCode !== NGHTTP2_NO_ERROR && !stream.headersSent;
    if (!unanswered || session.destroyed || state.allowsReset()) return;
    this.#reporter.hit("resets", { address: session.socket.remoteAddress });
    session.destroy(new Error("too many resets"), NGHTTP2_ENHANCE_YOUR_CALM);
  }
}
