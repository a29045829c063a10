import type { ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { RelayErrorCode } from "mcp-tunnel-protocol";
import type { Limits } from "../../limits.js";
import { closeGently } from "../../net/closing.js";
import type { ExchangeContext } from "../exchange/context.js";
import type { Door } from "./door.js";
import { relayError, type RelayRefusal } from "../answer/errors.js";
import { Exchange } from "../exchange/exchange.js";
import type { DownloadAnswer } from "../answer/client-download.js";
import { Download } from "./download.js";
import type { GuessedHead } from "./guessed-head.js";
import { Hearing } from "./hearing.js";
import { originForm } from "./host.js";
import { type Http1Request, Http1Response } from "../wire/http1.js";
import type { Judge } from "./judge.js";
import { isRegistration, occupancy, relayRefusal } from "./judges.js";
import { landing } from "../answer/landing.js";
import { streamProbePath, StreamProbes } from "../answer/stream-probe.js";
import { reportFault } from "../../telemetry/report.js";
import { relayUrl } from "../../tunnels/public-url.js";
import { reportVisit, tellClient } from "./report.js";
import { declaredBody } from "../declared-body.js";
import { type BodyProgress, refuse, watchTaken } from "../answer/respond.js";
import { UpgradeSocket } from "../exchange/upgrade.js";
import type { Guard, VisitorRequest, VisitorResponse } from "../message.js";
import { IncomingVisit } from "./visit.js";

/** The limits behind the refusals of the relay's own judges. */
const limitOfRefusal: Partial<Record<RelayErrorCode, keyof Limits>> = {
  headers_too_large: "maxHeaderCount",
  too_many_requests: "maxRequestsPerAddress",
  url_too_long: "maxUrlBytes",
};

/**
 * Decides what a request is: a registration, a visit to a tunnel or to the relay itself. The host decides
 * before the path, so the relay's own paths never shadow a tunnel's.
 */
export class Router {
  readonly #context: ExchangeContext;
  readonly #door: Door;
  readonly #judges: readonly Judge[];
  readonly #probes = new StreamProbes();

  /** `judges`: those of the program that embeds the relay. */
  constructor(context: ExchangeContext, door: Door, judges: readonly Judge[]) {
    this.#context = context;
    this.#door = door;
    this.#judges = judges;
  }

  /**
   * `awaitsContinue`: the visitor sent `Expect: 100-continue` and has not been answered. Call it within
   * {@link guard}.
   */
  onRequest(req: VisitorRequest, res: VisitorResponse, awaitsContinue: boolean): void {
    this.#route(req, res, awaitsContinue, undefined);
  }

  /** The connection belongs to the relay now: Node no longer reads it. */
  onUpgrade(req: Http1Request, socket: Socket, head: Buffer): void {
    this.guard(socket, () => {
      const target = req.url ?? "/";
      const { register } = this.#door;
      if (register !== undefined && isRegistration(target)) {
        const { kind } = this.#door.destination(req.rawHeaders, target);
        if (kind !== "invalid") {
          register(req, socket, head, kind === "base");
          return;
        }
      }
      // A request that is not upgraded gets its answer over the same connection, which closes after it.
      const res = new Http1Response(req);
      res.shouldKeepAlive = false;
      res.assignSocket(socket);
      res.on("finish", () => {
        res.detachSocket(socket);
        closeGently(socket);
        process.nextTick(() => res.emit("close"));
      });
      // This reads the connection. Otherwise the relay would not notice a visitor who leaves.
      const upgrade = new UpgradeSocket(req, res, socket, head, this.#guardOf(socket));
      this.#route(req, res, false, upgrade);
    });
  }

  /** A request for a WebSocket over HTTP/2 (RFC 8441). */
  onConnect(req: VisitorRequest, res: VisitorResponse, stream: ServerHttp2Stream): void {
    const target = req.url ?? "/";
    this.guard(stream, () => {
      if (isRegistration(target)) {
        // Clients come by HTTP/1.1: an HTTP/2 session has windows made for visitors, which would slow a
        // tunnel down.
        const body = declaredBody(req, false);
        const visit = new IncomingVisit(this.#door, req, res, target, body, undefined);
        this.#refuse(visit, relayError("registration_needs_websocket"));
        return;
      }
      const upgrade = new UpgradeSocket(req, res, stream, Buffer.alloc(0), this.#guardOf(stream));
      this.#route(req, res, false, upgrade);
    });
  }

  /** Bytes that came over a connection could not be read as a request. They have been answered with 400. */
  onUnreadable(address: string, reason: string): void {
    this.#context.options.logger.info({ status: 400, reason, address }, "request not readable");
  }

  /** Node has not read a head, which has been answered. Its tunnel can only be guessed. */
  onRefusedHead(code: "headers_too_large" | "invalid_target", guessed: GuessedHead): void {
    const host = this.#door.destination(["Host", guessed.host], "/");
    if (host.kind !== "tunnel") return;
    const limit = code === "headers_too_large" ? "maxHeaderBytes" : undefined;
    tellClient(this.#context, host.name, relayError(code), guessed, limit);
  }

  /**
   * Runs an event of Node or of a timer. An error in it costs one response, or the connection. Without this
   * guard it would end the process of a program that embeds the relay.
   */
  guard(concerned: VisitorResponse | Duplex, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.onFault(concerned, error);
    }
  }

  /**
   * What {@link guard} does with an error. Code that runs for each request catches the error itself and calls
   * this, because `guard` would need a function that is made for each request.
   */
  onFault(concerned: VisitorResponse | Duplex, error: unknown): void {
    reportFault(this.#context.options.logger, undefined, error);
    if ("cut" in concerned) concerned.cut(false);
    // With an error, so that a stream of HTTP/2 is reset and does not look complete.
    else concerned.destroy(new Error("a fault in the relay", { cause: error }));
  }

  #guardOf(concerned: VisitorResponse | Duplex): Guard {
    return (action) => this.guard(concerned, action);
  }

  #route(
    req: VisitorRequest,
    res: VisitorResponse,
    awaitsContinue: boolean,
    upgrade: UpgradeSocket | undefined,
  ): void {
    // The visitor's next request should reach the relay that succeeds this one.
    if (this.#context.draining) res.shouldKeepAlive = false;
    const path = originForm(req.url ?? "/", req.method ?? "") ?? "";
    const body = declaredBody(req, awaitsContinue);
    const visit = new IncomingVisit(this.#door, req, res, path, body, upgrade);
    const refusal = relayRefusal(visit, this.#context);
    if (refusal !== undefined) {
      if (visit.host.kind === "tunnel") {
        tellClient(this.#context, visit.host.name, refusal, visit, limitOfRefusal[refusal.code]);
      }
      this.#refuse(visit, refusal);
    } else if (visit.host.kind !== "tunnel") this.#land(visit);
    else if (this.#judges.length === 0) this.#take(visit);
    else this.#hear(visit);
  }

  #hear(visit: IncomingVisit): void {
    new Hearing(this.#context, this.#judges, visit, {
      onAdmitted: () => this.#take(visit),
      guard: this.#guardOf(visit.res),
    }).start();
  }

  /** Takes a visit to its tunnel. */
  #take(visit: IncomingVisit): void {
    const exchange = new Exchange(this.#context, visit.req, visit.res, visit);
    try {
      exchange.start();
    } catch (error) {
      exchange.fault(error);
    }
  }

  /** A visit to the domain itself. */
  #land(visit: IncomingVisit): void {
    const { req, res, path, body } = visit;
    // Nobody wants the body. Unread it would hold up the connection while an earlier answer is owed, and the
    // visitor could leave unnoticed.
    if (body.isPresent) req.resume();
    const taker = { writeTimeoutMs: this.#context.options.writeTimeoutMs, guard: this.#guardOf(res) };
    if (path === streamProbePath && visit.method === "GET" && this.#probes.hasRoom) {
      this.#probes.answer(res, taker, (bytes, isWhole) => {
        const outcome = isWhole ? "completed" : "cancelled";
        reportVisit(this.#context, visit, { outcome, status: 200, bytes }, false);
      });
      return;
    }
    const { publicUrl, options, download } = this.#context;
    const exampleUrl = publicUrl("myapp");
    // A visit that has no download to ask for does not look at who comes.
    const answer = download?.answer(req, path, relayUrl(exampleUrl), () => visit.scheme === "https");
    if (answer !== undefined) {
      this.#give(visit, answer);
      return;
    }
    const { requireVisitorAuth, operator } = options;
    const client = visit.scheme === "https" ? download : undefined;
    const { status, bytes } = landing(req, res, path, {
      exampleUrl,
      requireVisitorAuth,
      client,
      operator,
    });
    watchTaken(res, taker);
    reportVisit(this.#context, visit, { outcome: "completed", status, bytes }, false);
  }

  /** Gives a visitor the client's package, or says why not. */
  #give(visit: IncomingVisit, answer: DownloadAnswer): void {
    const refusal = occupancy(visit, this.#context);
    if (refusal === undefined) new Download(this.#context, visit, answer, this.#guardOf(visit.res)).start();
    else this.#refuse(visit, refusal);
  }

  #refuse(visit: IncomingVisit, refusal: RelayRefusal): void {
    const { req, res, body } = visit;
    const { code } = refusal;
    // The bytes behind the head may be a part of this request, or not. They are thrown away, and the
    // connection is closed.
    const isClear = code !== "invalid_framing";
    if (!isClear) {
      res.shouldKeepAlive = false;
      req.resume();
    }
    const progress: BodyProgress = { ...body, pending: body.isPresent && isClear, read: undefined };
    refuse(req, res, refusal, undefined, progress, {
      writeTimeoutMs: this.#context.options.writeTimeoutMs,
      operator: this.#context.options.operator,
      sent: (status, bytes) =>
        reportVisit(this.#context, visit, { outcome: "refused", status, bytes, code }, false),
      guard: this.#guardOf(res),
    });
  }
}
