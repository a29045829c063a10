import { endToEndHeaders, headerValue } from "mcp-tunnel-protocol";
import type { DeclaredBody } from "../declared-body.js";
import type { ExchangeRequest } from "../exchange/request.js";
import type { UpgradeSocket } from "../exchange/upgrade.js";
import { describeVisitor, type ProxyTrust } from "../../forwarded/forwarded.js";
import type { Visitor } from "../../forwarded/visitor.js";
import type { VisitorRequest, VisitorResponse } from "../message.js";
import type { Door } from "./door.js";
import type { HostResult } from "./host.js";
import type { Visit } from "./judge.js";
import type { FieldChanges } from "./request-changes.js";

/**
 * A request on its way past the judges, and their findings. In the end its exchange gets the same object, so
 * that a request costs one object for both. Parts that few requests need are made when they are asked for.
 */
export class IncomingVisit implements Visit, ExchangeRequest {
  readonly startedAt = performance.now();
  readonly req: VisitorRequest;
  readonly res: VisitorResponse;
  readonly host: HostResult;
  /** The target in origin form; empty when it has none, which the judges refuse. */
  readonly path: string;
  readonly body: DeclaredBody;
  readonly upgrade: UpgradeSocket | undefined;
  /** The key under which it counts among its address's requests; `undefined` if it does not count. */
  addressKey: string | undefined;
  readonly #trust: ProxyTrust;
  #visitor: Visitor | undefined;
  #aborter: AbortController | undefined;

  constructor(
    door: Door,
    req: VisitorRequest,
    res: VisitorResponse,
    path: string,
    body: DeclaredBody,
    upgrade: UpgradeSocket | undefined,
  ) {
    this.#trust = door.trust;
    this.req = req;
    this.res = res;
    this.host = door.destination(req.rawHeaders, req.url ?? "/");
    this.path = path;
    this.body = body;
    this.upgrade = upgrade;
  }

  /** Empty when the Host names no tunnel. */
  get name(): string {
    return this.host.kind === "tunnel" ? this.host.name : "";
  }

  get method(): string {
    return this.req.method ?? "";
  }

  get headers(): readonly string[] {
    return this.req.rawHeaders;
  }

  get httpVersion(): string {
    return this.req.httpVersion;
  }

  get asksForUpgrade(): boolean {
    return this.upgrade !== undefined;
  }

  get hasBody(): boolean {
    return this.body.isPresent;
  }

  get visitor(): Visitor {
    const { req } = this;
    this.#visitor ??= describeVisitor(
      req.remoteAddress,
      req.scheme,
      headerValue(req.rawHeaders, "host") ?? "",
      req.rawHeaders,
      this.#trust,
    );
    return this.#visitor;
  }

  get address(): string {
    return this.visitor.address;
  }

  get requestId(): string {
    return this.visitor.requestId;
  }

  get scheme(): string {
    return headerValue(this.visitor.add, "x-forwarded-proto") ?? this.req.scheme;
  }

  get signal(): AbortSignal {
    this.#aborter ??= new AbortController();
    return this.#aborter.signal;
  }

  header(name: string): string | undefined {
    return headerValue(this.req.rawHeaders, name);
  }

  /**
   * A judge lets the visit pass with other fields. They count as facts about the visitor, because those do
   * not travel either as the visitor has sent them. What is said last about a field holds.
   */
  change({ drop, add }: FieldChanges): void {
    const { visitor } = this;
    this.#visitor = {
      ...visitor,
      drop: { has: (name) => visitor.drop.has(name) || drop.has(name) },
      add: [...endToEndHeaders(visitor.add, drop), ...add],
    };
  }

  /** Nobody waits for a judge any more. Aborts the signal, also for a judge that asks for it only later. */
  giveUp(): void {
    this.#aborter ??= new AbortController();
    this.#aborter.abort();
  }
}
