import { headerValue } from "mcp-tunnel-protocol";
import type { DeclaredBody } from "../declared-body.js";
import type { ExchangeOptions } from "../exchange/context.js";
import type { ExchangeRequest } from "../exchange/request.js";
import type { UpgradeSocket } from "../exchange/upgrade.js";
import { describeVisitor } from "../../forwarded/forwarded.js";
import type { Visitor } from "../../forwarded/visitor.js";
import type { VisitorRequest, VisitorResponse } from "../message.js";
import { type HostResult, parseHost } from "./host.js";

/**
 * A request on its way past the judges, and what they find out about it. It is what its exchange is given in the end, so that
 * a request costs one object for both. What is not needed for each request is made when it is asked for.
 */
export class IncomingVisit implements ExchangeRequest {
  readonly startedAt = performance.now();
  readonly req: VisitorRequest;
  readonly res: VisitorResponse;
  readonly host: HostResult;
  /** The target in origin form; empty when it has none, which the judges refuse. */
  readonly path: string;
  readonly body: DeclaredBody;
  readonly upgrade: UpgradeSocket | undefined;
  /** Under what it counts among its address's requests; `undefined`: it does not. */
  addressKey: string | undefined;
  readonly #options: ExchangeOptions;
  #visitor: Visitor | undefined;

  constructor(
    options: ExchangeOptions,
    req: VisitorRequest,
    res: VisitorResponse,
    path: string,
    body: DeclaredBody,
    upgrade: UpgradeSocket | undefined,
  ) {
    this.#options = options;
    this.req = req;
    this.res = res;
    this.host = parseHost(req.rawHeaders, req.url ?? "/", options.domain);
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

  get httpVersion(): string {
    return this.req.httpVersion;
  }

  get visitor(): Visitor {
    const { req } = this;
    this.#visitor ??= describeVisitor(
      req.remoteAddress,
      req.scheme,
      headerValue(req.rawHeaders, "host") ?? "",
      req.rawHeaders,
      this.#options,
    );
    return this.#visitor;
  }
}
