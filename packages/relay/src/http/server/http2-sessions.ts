import {
  constants,
  createServer,
  type Http2Server,
  type Http2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import { headerValue } from "mcp-tunnel-protocol";
import { plainAddress } from "mcp-tunnel-shared";
import type { LimitReporter } from "../../telemetry/limit-reporter.js";
import type { Limits } from "../../limits.js";
import { closingMs } from "../../net/closing.js";
import { Http2Request, Http2Response } from "../wire/http2.js";
import type { Router } from "../route/router.js";

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = constants;

/** How many seconds' worth of resets a visitor may spend at once. */
const resetBurstS = 10;

/**
 * The state of a visitor's session. A stream that is reset before it was answered costs the relay an exchange
 * and the visitor nothing (CVE-2023-44487), so such resets are counted.
 */
class SessionState {
  /** The connection below it. */
  readonly socket: TLSSocket;
  /** Asked for once: Node's answer for a session goes through a proxy object. Empty when already gone. */
  readonly remoteAddress: string;
  streams = 0;
  /** The visitor was sent a ping, and has not answered it. */
  awaitsPong = false;
  /** A sweep has found the session to be over, and its connection still open. */
  isOver = false;
  readonly #resetsPerSecond: number;
  #allowance: number;
  #countedAt = performance.now();

  constructor(socket: TLSSocket, resetsPerSecond: number) {
    this.socket = socket;
    this.remoteAddress = socket.remoteAddress ?? "";
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
  #draining = false;
  #sweep: NodeJS.Timeout | undefined;

  constructor(router: Router, limits: Limits, reporter: LimitReporter) {
    this.#router = router;
    this.#limits = limits;
    this.#reporter = reporter;
    this.#server = createServer({
      maxSessionInvalidFrames: 100,
      maxSessionRejectedStreams: 100,
      // A cookie field comes in pieces, and each piece counts.
      maxHeaderListPairs: limits.maxHeaderCount,
      settings: {
        // Node's default is 2^32-1.
        maxConcurrentStreams: limits.maxStreamsPerConnection,
        // HTTP/2 counts 32 bytes for each field besides its text.
        maxHeaderListSize: limits.maxHeaderBytes + 32 * limits.maxHeaderCount,
        // Bytes that a visitor may send on each stream before a slow tunnel takes them. The default of 64 KiB
        // would limit uploads to 5 Mbit/s over a line of 100 ms.
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
    // Node closes the session, and nothing else is concerned.
    this.#server.on("sessionError", () => {});
  }

  /** Serves a connection that has chosen `h2`. */
  accept(socket: TLSSocket): void {
    this.#accepting = socket;
    this.#server.emit("connection", socket);
    this.#accepting = undefined;
  }

  /**
   * Tells all visitors to use another connection; streams that are open go on. Visitors whose handshake is
   * not over are told so with their first request.
   */
  drain(): void {
    this.#draining = true;
    for (const session of this.#sessions.keys()) session.close();
  }

  /** Ends all sessions at once. */
  cut(): void {
    for (const session of this.#sessions.keys()) session.destroy();
  }

  #onSession(session: Http2Session): void {
    // Node makes the session while it is given the connection (accept).
    const state = new SessionState(this.#accepting as TLSSocket, this.#limits.maxResetsPerSecond);
    this.#sessions.set(session, state);
    session.on("close", () => this.#forget(session));
    session.setTimeout(this.#limits.idleTimeoutMs);
    session.on("timeout", () => this.#router.guard(state.socket, () => this.#onIdle(session, state)));
    this.#sweep ??= setInterval(() => this.#endThoseThatAreOver(), closingMs / 2).unref();
  }

  #onIdle(session: Http2Session, state: SessionState): void {
    if (state.streams === 0) {
      this.#reporter.hit("idle_time", { address: plainAddress(state.remoteAddress) });
      session.close();
    } else if (state.awaitsPong) {
      session.destroy(new Error("the visitor answers no ping"));
    } else {
      // Silence alone is no reason: an event stream may be quiet for hours. But the visitor may have left.
      // After a frame that breaks the protocol nghttp2 says goodbye and reads no more, and Node emits no
      // event for that.
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
   * Ends the connections of sessions that are over. Node ends such a connection once all written data has
   * left, and waits for the visitor to close the other direction. A visitor who reads nothing, or stays,
   * would keep the connection for ever. Many things end a session, some of them inside Node, so a sweep looks
   * for the sessions that are over.
   */
  #endThoseThatAreOver(): void {
    for (const [session, state] of this.#sessions) {
      if (!session.destroyed && (!session.closed || state.streams > 0)) continue;
      if (state.isOver) state.socket.destroy();
      state.isOver = true;
    }
  }

  #onStream(stream: ServerHttp2Stream, fields: string[]): void {
    // Also for a stream that is gone already.
    stream.on("error", () => {});
    const { session } = stream;
    const state = session === undefined ? undefined : this.#sessions.get(session);
    // The stream was gone before the relay saw it.
    if (session === undefined || state === undefined || session.destroyed) return;
    state.streams += 1;
    if (this.#draining) session.close();
    const guard = (action: () => void): void => this.#router.guard(stream, action);
    stream.on("close", () => {
      state.streams -= 1;
      guard(() => this.#countReset(stream, session, state));
    });

    const request = new Http2Request(stream, fields, state.remoteAddress);
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
    // The visitor has reset the stream, or has caused the reset by a mistake on purpose (CVE-2025-8671).
    const unanswered = stream.rstCode !== NGHTTP2_NO_ERROR && !stream.headersSent;
    if (!unanswered || session.destroyed || state.allowsReset()) return;
    this.#reporter.hit("resets", { address: plainAddress(state.remoteAddress) });
    session.destroy(new Error("too many resets"), NGHTTP2_ENHANCE_YOUR_CALM);
  }
}
