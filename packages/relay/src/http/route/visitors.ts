import type { IncomingMessage } from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { headerValue, registrationPath, type RelayErrorCode } from "mcp-tunnel-protocol";
import { withoutQuery } from "mcp-tunnel-shared";
import type { LimitName, Limits } from "../../limits.js";
import { closeGently } from "../../net/closing.js";
import type { ExchangeContext } from "../exchange/context.js";
import { relayError } from "../answer/errors.js";
import { Exchange } from "../exchange/exchange.js";
import { describeVisitor } from "../../forwarded/forwarded.js";
import { plainAddress } from "../../net/addresses.js";
import { framingFault } from "./framing.js";
import type { GuessedHead } from "./guessed-head.js";
import { type HostResult, originForm, parseHost } from "./host.js";
import { type Http1Request, Http1Response } from "../wire/http1.js";
import { landing } from "../answer/landing.js";
import { noteAt } from "../../tunnels/directory.js";
import { tellRefusal } from "../../tunnels/refusal.js";
import { reportFault } from "../../telemetry/report.js";
import { type DeclaredBody, declaredBody } from "../declared-body.js";
import { type BodyProgress, refuse, watchTaken } from "../answer/respond.js";
import { UpgradeSocket } from "../exchange/upgrade.js";
import type { Guard, VisitorRequest, VisitorResponse } from "../message.js";

/** By which limits requests are refused here. */
const limitOfRefusal: Partial<Record<RelayErrorCode, keyof Limits>> = {
  headers_too_large: "maxHeaderCount",
  too_many_requests: "maxRequestsPerAddress",
  url_too_long: "maxUrlBytes",
};

/** Takes over a client's connection to make a tunnel of it. */
export type Register = (req: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Decides what a request is: a registration, a visit to a tunnel or to the relay itself. First the host, then the
 * path: the relay's own paths never shadow a tunnel's.
 */
export class Visitors {
  readonly #context: ExchangeContext;
  readonly #register: Register;

  constructor(context: ExchangeContext, register: Register) {
    this.#context = context;
    this.#register = register;
  }

  /** `awaitsContinue`: the visitor sent `Expect: 100-continue` and has not been answered. Call it within {@link guard}. */
  onRequest(req: VisitorRequest, res: VisitorResponse, awaitsContinue: boolean): void {
    this.#route(req, res, awaitsContinue, undefined);
  }

  /** The connection is the relay's: Node reads it no more. */
  onUpgrade(req: Http1Request, socket: Socket, head: Buffer): void {
    this.guard(socket, () => {
      if (isRegistration(req.url ?? "/") && this.#host(req).kind !== "invalid") {
        this.#register(req, socket, head);
        return;
      }
      // What is not upgraded is answered over the same connection, once.
      const res = new Http1Response(req);
      res.shouldKeepAlive = false;
      res.assignSocket(socket);
      res.on("finish", () => {
        res.detachSocket(socket);
        closeGently(socket);
        process.nextTick(() => res.emit("close"));
      });
      // Without this one a visitor who leaves would not be noticed.
      const upgrade = new UpgradeSocket(req, res, socket, head, this.#guardOf(socket));
      this.#route(req, res, false, upgrade);
    });
  }

  /** A request for a WebSocket over HTTP/2 (RFC 8441). */
  onConnect(req: VisitorRequest, res: VisitorResponse, stream: ServerHttp2Stream): void {
    const target = req.url ?? "/";
    this.guard(stream, () => {
      if (isRegistration(target)) {
        // Clients come by HTTP/1.1: a session of a visitor's size would slow their tunnel down.
        this.#refuse(req, res, "registration_needs_websocket", target, declaredBody(req, false));
        return;
      }
      const upgrade = new UpgradeSocket(req, res, stream, Buffer.alloc(0), this.#guardOf(stream));
      this.#route(req, res, false, upgrade);
    });
  }

  /** What has come over a connection is no request that can be read. It has been answered with 400. */
  onUnreadable(address: string, reason: string): void {
    this.#context.options.logger.info({ status: 400, reason, address }, "request not readable");
  }

  /** Node has not read a head, which has been answered. For whom it was can only be guessed. */
  onRefusedHead(code: "headers_too_large" | "invalid_target", guessed: GuessedHead): void {
    const host = parseHost(["Host", guessed.host], "/", this.#context.options.domain);
    if (host.kind !== "tunnel") return;
    this.#tellClient(host.name, code, guessed, code === "headers_too_large" ? "maxHeaderBytes" : undefined);
  }

  /**
   * Runs what Node or a timer has called. Whatever fails there costs one response, or the connection: outside of here it
   * would end the process of a program that embeds the relay.
   */
  guard(concerned: VisitorResponse | Duplex, action: () => void): void {
    try {
      action();
    } catch (error) {
      reportFault(this.#context.options.logger, undefined, error);
      if ("cut" in concerned) concerned.cut(false);
      // With a reason, so that a stream of HTTP/2 is reset and does not look complete.
      else concerned.destroy(new Error("a fault in the relay", { cause: error }));
    }
  }

  #guardOf(concerned: VisitorResponse | Duplex): Guard {
    return (action) => this.guard(concerned, action);
  }

  #host(req: VisitorRequest): HostResult {
    return parseHost(req.rawHeaders, req.url ?? "/", this.#context.options.domain);
  }

  #route(
    req: VisitorRequest,
    res: VisitorResponse,
    awaitsContinue: boolean,
    upgrade: UpgradeSocket | undefined,
  ): void {
    // Its next request shall find the relay that succeeds this one.
    if (this.#context.draining) res.shouldKeepAlive = false;
    const body = declaredBody(req, awaitsContinue);
    const host = this.#host(req);
    const path = originForm(req.url ?? "/", req.method ?? "");
    const refusal =
      framingFault(req) ??
      this.#overLimit(req) ??
      refusalOf(host, path, upgrade !== undefined && body.isPresent);
    if (refusal !== undefined || path === undefined) {
      const name = host.kind === "tunnel" ? host.name : undefined;
      this.#refuse(req, res, refusal ?? "invalid_target", path ?? "", body, name);
    } else if (host.kind === "tunnel") {
      const visitor = describeVisitor(
        req.remoteAddress,
        req.scheme,
        headerValue(req.rawHeaders, "host") ?? "",
        req.rawHeaders,
        this.#context.options,
      );
      const { requests, addressKeys, limits } = this.#context;
      const addressKey = addressKeys.of(visitor.address);
      if (addressKey !== undefined && !requests.enter(addressKey)) {
        limits.hit("requests_per_address", { address: visitor.address });
        this.#refuse(req, res, "too_many_requests", path, body, host.name);
        return;
      }
      const request = { name: host.name, path, visitor, body, upgrade, addressKey };
      const exchange = new Exchange(this.#context, req, res, request);
      try {
        exchange.start();
      } catch (error) {
        exchange.fault(error);
      }
    } else {
      const startedAt = performance.now();
      // Nobody wants it, and one that is not read would hold up the connection while an earlier answer is owed: its visitor
      // could leave unnoticed.
      if (body.isPresent) req.resume();
      const { status, bytes } = landing(req, res, path, this.#context.publicUrl("myapp"));
      const { writeTimeoutMs } = this.#context.options;
      watchTaken(res, { writeTimeoutMs, guard: this.#guardOf(res) });
      this.#report(req, path, startedAt, status, bytes, undefined);
    }
  }

  /** Limits of the head that Node does not keep. */
  #overLimit(req: VisitorRequest): RelayErrorCode | undefined {
    const { maxHeaderCount, maxUrlBytes } = this.#context.options;
    if (req.rawHeaders.length > 2 * maxHeaderCount) {
      this.#hitLimit("header_count", req);
      return "headers_too_large";
    }
    if ((req.url ?? "").length > maxUrlBytes) {
      this.#hitLimit("url_length", req);
      return "url_too_long";
    }
    return undefined;
  }

  #hitLimit(limit: LimitName, req: VisitorRequest): void {
    this.#context.limits.hit(limit, { address: plainAddress(req.remoteAddress) });
  }

  #refuse(
    req: VisitorRequest,
    res: VisitorResponse,
    code: RelayErrorCode,
    path: string,
    body: DeclaredBody,
    name?: string,
  ): void {
    if (name !== undefined) {
      this.#tellClient(name, code, { method: req.method ?? "", path }, limitOfRefusal[code]);
    }
    const startedAt = performance.now();
    // What follows the head may be a part of this request, or not: it is thrown away, and the connection with it.
    const isClear = code !== "invalid_framing";
    if (!isClear) {
      res.shouldKeepAlive = false;
      req.resume();
    }
    const progress: BodyProgress = { ...body, pending: body.isPresent && isClear, read: undefined };
    refuse(req, res, code, undefined, progress, {
      writeTimeoutMs: this.#context.options.writeTimeoutMs,
      sent: (status, bytes) => this.#report(req, path, startedAt, status, bytes, code),
      guard: this.#guardOf(res),
    });
  }

  /** Tells the client of the tunnel of that name, if there is one. */
  #tellClient(
    name: string,
    code: RelayErrorCode,
    { method, path }: { method: string; path: string },
    limit: keyof Limits | undefined,
  ): void {
    const { directory, options } = this.#context;
    const refused = { code, status: relayError(code).status, method, path, limit };
    noteAt(directory, name, options.logger, (route) => tellRefusal(route, refused, options));
  }

  /** Reports a request that belongs to no tunnel. */
  #report(
    req: VisitorRequest,
    path: string,
    startedAt: number,
    status: number,
    bytes: number,
    code: RelayErrorCode | undefined,
  ): void {
    this.#context.observers.onEnd({
      name: undefined,
      address: plainAddress(req.remoteAddress),
      method: req.method ?? "",
      path: withoutQuery(path),
      status,
      requestBytes: 0,
      responseBytes: bytes,
      durationMs: performance.now() - startedAt,
      outcome: code === undefined ? "completed" : "refused",
      code,
      detail: undefined,
      wire: undefined,
      requestId: undefined,
      visitorRequestId: undefined,
      httpVersion: req.httpVersion,
      headers: req.rawHeaders,
    });
  }
}

function refusalOf(
  host: HostResult,
  path: string | undefined,
  upgradeWithBody: boolean,
): RelayErrorCode | undefined {
  switch (host.kind) {
    case "missing":
      return "missing_host";
    case "invalid":
      return "invalid_host";
    case "foreign":
      return path !== undefined && isRegistration(path) ? "registration_needs_websocket" : "unserved_host";
    case "base":
      return path !== undefined && isRegistration(path) ? "registration_needs_websocket" : undefined;
    case "tunnel":
      // Over HTTP/2, where an upgrade is demanded. Over HTTP/1.1 one with a body is none (http1.ts).
      return upgradeWithBody ? "upgrade_with_body" : undefined;
  }
}

function isRegistration(target: string): boolean {
  return target === registrationPath || target.startsWith(`${registrationPath}?`);
}
