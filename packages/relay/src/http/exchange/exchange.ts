import type { Route, RouteHandler } from "mcp-tunnel-cluster/relay";
import {
  fieldPairs,
  headerValue,
  type RawHeaders,
  type RelayErrorCode,
  type ResponseHead,
  type StreamReset,
  TunnelError,
  type TunnelStream,
} from "mcp-tunnel-protocol";
import type { Limits } from "../../limits.js";
import type { ExchangeCode, ExchangeOutcome } from "../../telemetry/observer.js";
import { spareCookies } from "./clear-site-data.js";
import type { ExchangeContext } from "./context.js";
import { errorOfOpen, errorOfReset, relayError } from "../answer/errors.js";
import { type Fault, faults } from "./faults.js";
import { type LookupOwner, RouteLookup, type Unserved } from "./lookup.js";
import { reportFault } from "../../telemetry/report.js";
import { isPool } from "../../tunnels/directory.js";
import { RequestBody, type RequestBodyOwner } from "./request-body.js";
import { refuse } from "../answer/respond.js";
import { ExchangeReporter } from "./reporter.js";
import type { ExchangeRequest } from "./request.js";
import { requestHead } from "./request-head.js";
import { ResponseBody, type ResponseBodyOwner } from "./response-body.js";
import { checkResponseHead, checkTrailers, notInResponseTrailers } from "../response-head.js";
import { narrowCookies } from "./set-cookie.js";
import type { UpgradeOwner } from "./upgrade.js";
import type { VisitorRequest, VisitorResponse } from "../message.js";

/**
 * The state of an exchange. The request's body goes on in any of them.
 *
 *   looking -> waiting                  the route is found, and the stream is open
 *   waiting -> looking                  the route does not take the request after all
 *   waiting -> responding -> sent       the head, the body, all handed to the visitor's connection
 *   waiting -> upgraded                 raw bytes both ways
 *   any -> over
 */
type State = "looking" | "waiting" | "responding" | "sent" | "upgraded" | "over";

/** One request of a visitor and its response, over one stream of a tunnel. */
export class Exchange
  implements RouteHandler, LookupOwner, RequestBodyOwner, ResponseBodyOwner, UpgradeOwner
{
  readonly #context: ExchangeContext;
  readonly #req: VisitorRequest;
  readonly #res: VisitorResponse;
  readonly #request: ExchangeRequest;
  /** Its index in the {@link ActiveExchanges}; -1 when it is not there. */
  place = -1;
  #state: State = "looking";
  #stream: TunnelStream | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #lookup: RouteLookup;
  readonly #reporter: ExchangeReporter;
  readonly #requestBody: RequestBody;
  readonly #responseBody: ResponseBody;

  constructor(context: ExchangeContext, req: VisitorRequest, res: VisitorResponse, request: ExchangeRequest) {
    this.#context = context;
    this.#req = req;
    this.#res = res;
    this.#request = request;
    this.#lookup = new RouteLookup(this, context, request.name, request.body);
    this.#reporter = new ExchangeReporter(context, req, request, this.#lookup);
    this.#requestBody = new RequestBody(this, req, res, request, context.options);
    this.#responseBody = new ResponseBody(this, res, context.options.writeTimeoutMs);
    context.exchanges.add(this);
  }

  get name(): string {
    return this.#request.name;
  }

  /** The route to which the request was taken last. */
  get route(): Route | undefined {
    const { route } = this.#lookup;
    return route === undefined || isPool(route) ? undefined : route;
  }

  /** Body bytes received so far. */
  get requestBytes(): number {
    return this.#requestBody.bytes;
  }

  /** Body bytes sent so far. */
  get responseBytes(): number {
    return this.#responseBody.bytes;
  }

  /** Takes the request to its tunnel. */
  start(): void {
    this.#res.on("error", ignore);
    this.#req.on("error", ignore);
    this.#res.watchClose(this.#onResponseClose);
    if (this.#requestBody.isDeclaredTooLarge) {
      this.#reporter.hitLimit("request_body");
      this.#refuse("request_too_large", { limit: "maxRequestBodyBytes" });
    } else this.#lookup.start();
  }

  /** Cuts the exchange: the relay stops. */
  cut(reason: string): void {
    this.guard(() => this.#fail({ code: "tunnel_draining", reason, reset: "cancelled" }));
  }

  /** A fault in the relay's own code. It costs this exchange and no other. */
  fault(error: unknown): void {
    const { logger } = this.#context.options;
    reportFault(logger, this.#request.name, error);
    // The fault was in an answer in the tunnel's place.
    if (this.#state === "over") {
      this.#res.cut(true);
      return;
    }
    try {
      this.#fail(faults.internal);
    } catch (again) {
      reportFault(logger, this.#request.name, again);
      this.#res.cut(true);
    }
  }

  /** Guards every event that does not come from the stream: the stream's session has a guard of its own. */
  guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.fault(error);
    }
  }

  // ---- to the tunnel

  /** Made once, and not for each request. */
  static readonly #onNoResponse = (exchange: Exchange): void => {
    exchange.guard(() => exchange.#fail(faults.noResponse));
  };

  get requestHeaders(): RawHeaders {
    return this.#req.rawHeaders;
  }

  onUnserved({ code, limit, hit, detail }: Unserved): void {
    if (hit !== undefined) this.#reporter.hitLimit(hit);
    this.#refuse(code, { limit, ...(detail === undefined ? {} : { reason: detail }) });
  }

  onFound(route: Route): void {
    const { body } = this.#request;
    // Before `open`: the stream may be reset while it is opened.
    this.#state = "waiting";
    this.#timer = setTimeout(Exchange.#onNoResponse, this.#context.options.responseTimeoutMs, this);
    try {
      const head = requestHead(this.#req, this.#request, route.carries);
      const stream = route.open(head, !body.isPresent && head.upgrade !== true, this);
      if (this.#state === "waiting") this.#stream = stream;
      else return;
    } catch (error) {
      if (error instanceof TunnelError && error.code === "rate_limited") {
        this.onLimited();
        return;
      }
      // What a session throws says why; anything else is a mistake, of a route of a program's own perhaps.
      if (!(error instanceof TunnelError)) {
        reportFault(this.#context.options.logger, this.#request.name, error);
      }
      const isFull = route.streamCount >= this.#context.options.maxStreamsPerTunnel;
      const full = { limit: "maxStreamsPerTunnel", hit: "streams_per_tunnel" } as const;
      const why: Unserved = { code: errorOfOpen(error), ...(isFull ? full : {}) };
      if (this.#lookup.choice !== undefined && takesNoStream(error)) this.#tryOthers(why);
      else this.onUnserved(why);
      return;
    }
    if (!route.acceptsLater) this.onAccepted();
  }

  /** The member of a pool that was chosen has done nothing for the request, and takes no requests now. */
  #tryOthers(why: Unserved): void {
    clearTimeout(this.#timer);
    this.#state = "looking";
    this.guard(() => this.#lookup.tryOthers(why));
  }

  onAccepted(): void {
    const { body, upgrade } = this.#request;
    const stream = this.#stream;
    if (stream === undefined) return;
    const carries = this.route?.carries;
    // On a wire with interim heads the client answers the expectation itself, or lets the local service do
    // so.
    if (carries?.interim !== true) this.#requestBody.continue();
    if (body.isPresent) this.#requestBody.pump(stream);
    else if (carries?.upgrades === true) upgrade?.start(stream);
  }

  onRefused(): void {
    if (this.#state !== "waiting") return;
    clearTimeout(this.#timer);
    this.#leaveStream();
    this.#state = "looking";
    this.guard(() => this.#lookup.startAgain());
  }

  /** The relay of the tunnel has counted this, and has told the client. */
  onLimited(): void {
    if (this.#state === "waiting") this.#answer("tunnel_rate_limited", undefined);
  }

  /** Parts from the stream, and returns it. */
  #leaveStream(): TunnelStream | undefined {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#requestBody.leave();
    return stream;
  }

  // ---- the request's body

  /** The wait for the response's head begins with the last byte of the request. */
  onBodyProgress(): void {
    this.#timer?.refresh();
  }

  onBodyTooLarge(): void {
    this.#fail(faults.requestTooLarge);
  }

  onBodyTimeout(): void {
    this.#fail(faults.requestStopped);
  }

  onBodyStalled(): void {
    if (this.#context.exchanges.has(this)) {
      this.#fail(faults.requestStalled);
      return;
    }
    // The request has been answered. The rest of its body is given up.
    this.#requestBody.stop();
    this.#leaveStream()?.reset("cancelled", faults.requestStalled.reason);
    this.#req.abandon();
  }

  onDrain(): void {
    if (this.#state !== "upgraded") {
      this.#requestBody.resume();
      return;
    }
    this.#requestBody.taken();
    this.#request.upgrade?.onDrain();
  }

  // ---- the response

  onInterim(head: ResponseHead): void {
    if (this.#state !== "waiting") return;
    if (head.status === 100) this.#requestBody.continue();
    else if (!this.#request.visitor.proxied || this.#context.options.interimToProxies === "pass") {
      this.#res.sendInterim(head);
    }
  }

  onHead(head: ResponseHead, end: boolean): void {
    if (this.#state !== "waiting") return;
    this.#lookup.choice?.onHead(head);
    if (head.status === 101) {
      this.#switchProtocols(head);
      return;
    }
    const checked = checkResponseHead(head, this.#req.method ?? "GET");
    if (checked === undefined) {
      this.#fail(faults.invalidHead);
      return;
    }
    if (!this.#responseBody.begin(checked, this.#context.options.maxResponseBodyBytes, this.#stream)) {
      this.#fail(faults.responseDeclaredTooLarge);
      return;
    }
    clearTimeout(this.#timer);
    this.#requestBody.answered();
    if (this.#context.draining) this.#res.shouldKeepAlive = false;
    if (!checked.hasRequestId) checked.headers.push("X-Request-Id", this.#request.visitor.requestId);
    this.#res.writeHead(head.status, this.#narrowed(checked.headers));
    // Not before: if the head cannot be written, an error can still be answered in its place.
    this.#state = "responding";
    // The upgrade was refused: there will be no data from the visitor on the stream.
    if (this.#request.upgrade !== undefined) this.#stream?.end();
    // Data that arrived together with the head leaves together with it. The head of an event stream does not
    // wait for more.
    if (!end) this.#context.heads.add(this);
  }

  flushHead(): void {
    if (this.#state !== "responding" || this.#responseBody.bytes > 0) return;
    this.guard(() => this.#res.flushHeaders());
  }

  onData(chunk: Buffer, last: boolean): void {
    const body = this.#responseBody;
    if (this.#state === "upgraded") {
      body.count(chunk.length);
      const { upgrade } = this.#request;
      if (upgrade?.onData(chunk) === false) body.watchVisitor();
      else if (upgrade?.visitorEnded === true) this.#watchLast();
      return;
    }
    if (this.#state !== "responding" || body.isAbsent) {
      this.#stream?.consumed(chunk.length);
      return;
    }
    body.count(chunk.length);
    if (body.isTooLong) this.#fail(faults.bodyTooLong);
    else if (body.isOverLimit) this.#fail(faults.responseTooLarge);
    else if (last && body.isWhole) {
      this.#state = "sent";
      body.end(chunk);
    } else body.write(chunk);
  }

  onVisitorStalled(): void {
    this.#fail(faults.visitorStalled);
  }

  onEnd(trailers: RawHeaders): void {
    if (this.#state === "upgraded") {
      this.#request.upgrade?.onEnd();
      this.#watchLast();
      return;
    }
    if (this.#state !== "responding") return;
    if (!this.#responseBody.isWhole) {
      this.#fail(faults.bodyTooShort);
      return;
    }
    this.#state = "sent";
    if (trailers.length > 0 && this.#res.takesTrailers) {
      this.#res.addTrailers(fieldPairs(checkTrailers(trailers, notInResponseTrailers)));
    }
    this.#responseBody.end();
  }

  #switchProtocols(head: ResponseHead): void {
    const { upgrade } = this.#request;
    clearTimeout(this.#timer);
    const { requestId } = this.#request.visitor;
    const isNamed = headerValue(head.headers, "x-request-id") !== undefined;
    const headers = isNamed ? head.headers : [...head.headers, "X-Request-Id", requestId];
    const accepted = { status: head.status, headers: this.#narrowed(headers) };
    if (upgrade?.accept(accepted, this) === true) this.#state = "upgraded";
    else this.#fail(faults.invalidSwitch);
  }

  onVisitorBytes(bytes: number): void {
    this.#requestBody.count(bytes);
  }

  onVisitorPaused(): void {
    this.#requestBody.waits();
  }

  onVisitorEnd(): void {
    this.#watchLast();
  }

  onVisitorFlushed(): void {
    this.#responseBody.flushed();
  }

  /** The visitor of an upgraded connection has to take in time what waits for it, however little that is. */
  #watchLast(): void {
    // An HTTP/2 session is always read, so it notices by itself that the visitor has left.
    if (!this.#req.isMultiplexed && this.#res.backlog > 0) this.#responseBody.watchVisitor();
  }

  #narrowed(headers: RawHeaders): RawHeaders {
    const { cookieDomain, domain } = this.#context.options;
    return cookieDomain === "keep" ? headers : spareCookies(narrowCookies(headers, domain));
  }

  onReset(reason: StreamReset): void {
    this.#leaveStream();
    // `overloaded`: too much is queued on the tunnel, so data that waits for a slow visitor is cut with its
    // stream.
    if (this.#state === "sent" && reason.code !== "overloaded") {
      // The service has answered early, and wants no more of the body.
      if (this.#requestBody.isComing) this.#requestBody.discard();
      return;
    }
    const isWaiting = this.#state === "waiting";
    if (isWaiting && this.#lookup.choice !== undefined) {
      this.#lookup.choice.onReset(reason.code);
      // Nothing was done. What was read of the body is gone, and could be sent to no other member.
      if (reason.code === "refused" && !this.#request.body.isPresent) {
        this.#tryOthers({ code: errorOfReset(reason), detail: reason.message });
        return;
      }
    }
    // The client knows any other reason: it gave the reason itself, or got it with a reset.
    if (reason.code === "session_lost") {
      this.#reporter.refused(
        "tunnel_dropped_request",
        isWaiting ? relayError("tunnel_dropped_request").status : undefined,
      );
    }
    // The client knows the relay's limit, and resets a response whose announced length is above it.
    if (isWaiting && reason.code === "body_too_large") this.#reporter.hitLimit("response_body");
    if (isWaiting) this.#answer(errorOfReset(reason), reason.message);
    else this.#destroy(reason.code, reason.message);
  }

  // ---- ends

  /** Something is wrong on this side of the tunnel. Tells both ends, as far as each can still be told. */
  #fail({ code, reason, reset, limit, hit }: Fault): void {
    if (hit !== undefined) this.#reporter.hitLimit(hit);
    this.#leaveStream()?.reset(reset, reason);
    if (this.#state === "waiting" || this.#state === "looking") {
      this.#refuse(code === "visitor_stalled" ? "internal_error" : code, { reason, limit });
      return;
    }
    if (this.#state !== "over") this.#reporter.refused(code, undefined, limit);
    this.#destroy(code, reason);
  }

  /** Answers in the tunnel's place, and tells its client. */
  #refuse(code: RelayErrorCode, why: { reason?: string; limit?: keyof Limits | undefined } = {}): void {
    this.#reporter.refused(code, relayError(code).status, why.limit);
    this.#answer(code, why.reason);
  }

  #answer(code: RelayErrorCode, detail: string | undefined): void {
    this.#stopTimers();
    this.#leaveStream();
    this.#state = "over";
    const { progress } = this.#requestBody;
    if (this.#context.draining) this.#res.shouldKeepAlive = false;
    refuse(this.#req, this.#res, relayError(code), this.#request.visitor.requestId, progress, {
      writeTimeoutMs: this.#context.options.writeTimeoutMs,
      operator: this.#context.options.operator,
      sent: (status, bytes) => {
        this.#responseBody.count(bytes);
        this.#report("refused", status, code, detail);
      },
      guard: (action) => this.guard(action),
    });
  }

  /** Cuts the visitor off, so that the response does not look complete. */
  #destroy(code: ExchangeCode, detail: string): void {
    if (this.#state === "over") return;
    const status = this.#status;
    // A service that refuses an upload answers and breaks off. The head of its answer may have come together
    // with the reset.
    if (this.#state === "responding" && this.#responseBody.bytes === 0) this.#res.flushHeaders();
    this.#state = "over";
    this.#stopTimers();
    this.#res.cut(this.#responseBody.hasLength);
    this.#report("cut", status, code, detail);
  }

  /** The response was handed over, or the visitor is gone. */
  readonly #onResponseClose = (): void => {
    if (!this.#context.exchanges.has(this)) return;
    try {
      this.#closed();
    } catch (error) {
      this.fault(error);
    }
  };

  #stopTimers(): void {
    this.#lookup.stop();
    clearTimeout(this.#timer);
    this.#requestBody.stop();
    this.#responseBody.stop();
    this.#request.upgrade?.stop();
  }

  #closed(): void {
    const status = this.#status;
    const whole = this.#state === "upgraded" ? this.#request.upgrade?.endedWell === true : this.#res.isWhole;
    if (!whole) {
      this.#state = "over";
      this.#leaveStream()?.reset("cancelled", "the visitor went away");
    }
    this.#stopTimers();
    if (!whole) {
      this.#report("cancelled", status);
      return;
    }
    // Node emits no `drain` once a response has been ended. Data that was buffered then has left by now.
    if (this.#state === "upgraded") this.#request.upgrade?.onFlushed();
    else this.#responseBody.flushed();
    // The rest of a request that was answered early still goes to the service, until the service says that it
    // wants no more.
    if (this.#requestBody.isComing) {
      this.#requestBody.goOn();
      this.#req.once("close", () => this.guard(() => this.#onLateBodyClose()));
    }
    this.#report("completed", status);
  }

  #onLateBodyClose(): void {
    this.#requestBody.stop();
    if (this.#requestBody.isComing) this.#stream?.reset("cancelled", "the visitor went away");
  }

  get #status(): number | undefined {
    if (this.#state === "upgraded") return 101;
    return this.#res.headersSent ? this.#res.statusCode : undefined;
  }

  #report(outcome: ExchangeOutcome, status: number | undefined, code?: ExchangeCode, detail?: string): void {
    if (!this.#context.exchanges.delete(this)) return;
    this.#res.unwatchClose(this.#onResponseClose);
    const { addressKey } = this.#request;
    if (addressKey !== undefined) this.#context.requests.leave(addressKey);
    this.#reporter.ended(outcome, status, this, code, detail);
  }
}

const ignore = (): void => {};

/** Codes with which a session opens no stream because of its own state, and not because of the request. */
const noStreamCodes: ReadonlySet<string> = new Set(["overloaded", "draining", "session_closed"]);

function takesNoStream(error: unknown): boolean {
  return error instanceof TunnelError && noStreamCodes.has(error.code);
}
