import * as http from "node:http";
import * as net from "node:net";
import * as tls from "node:tls";
import type { RawHeaders, StreamHandler, StreamReset } from "mcp-tunnel-protocol";
import { carriedProtocols, endToEndTrailers, fieldPairs, headerValue, isBodyless } from "mcp-tunnel-protocol";
import { readAfterRefusedWrite } from "./early-answer.js";
import { upstreamFailure } from "./errors.js";
import { ignored } from "./exchange.js";
import type { Exchange } from "./exchange.js";
import { lengthOf, localHeaders } from "./headers.js";
import { parserMaxHeadBytes, ResponseNormaliser } from "./response-normaliser.js";
import { UpgradedConnection } from "./upgrade.js";
import type { Upstream } from "./upstream.js";

/**
 * Sends a request on a connection of its own, with node:http: for what undici's dispatch cannot do. Upgrades, `Expect:
 * 100-continue`, `OPTIONS *`, trailers that a request announces, and a head that goes out before there is any body.
 */
export function sendRaw(exchange: Exchange, upstream: Upstream, end: boolean): StreamHandler {
  try {
    return new RawRequest(exchange, upstream, end);
  } catch (error) {
    // node:http checks names and values as soon as it is given them.
    exchange.fail(upstreamFailure(error, upstream.target, false));
    return ignored;
  }
}

class RawRequest implements StreamHandler {
  readonly #exchange: Exchange;
  readonly #upstream: Upstream;
  readonly #request: http.ClientRequest;
  readonly #announced: number | undefined;
  #response: http.IncomingMessage | undefined;
  #upgraded: UpgradedConnection | undefined;
  #connected = false;
  /** The request's body has ended, or nobody wants more of it. */
  #bodyEnded = false;
  /** What a visitor sent before the local service has answered its upgrade. */
  readonly #early: Buffer[] = [];
  #earlyEnd = false;

  constructor(exchange: Exchange, upstream: Upstream, end: boolean) {
    this.#exchange = exchange;
    this.#upstream = upstream;
    const { head } = exchange;
    const length = lengthOf(head.headers);
    this.#announced = typeof length === "number" ? length : undefined;
    this.#request = http.request({
      method: head.method,
      path: head.path,
      headers: this.#headers(end),
      maxHeaderSize: parserMaxHeadBytes(upstream.maxHeadBytes),
      createConnection: () => this.#connect(),
    });
    // Node would leave out what is beyond 2,000 fields, in silence.
    this.#request.maxHeadersCount = 0;
    this.#listen();
    if (end || head.upgrade === true) {
      this.#bodyEnded = true;
      this.#request.end();
    } else this.#request.flushHeaders();
  }

  onData(chunk: Buffer): void {
    this.#exchange.requestBytes += chunk.length;
    if (this.#upgraded !== undefined) this.#upgraded.onData(chunk);
    else if (this.#exchange.head.upgrade === true && this.#response === undefined) this.#early.push(chunk);
    else if (this.#bodyEnded) this.#exchange.stream.consumed(chunk.length);
    else if (this.#announced !== undefined && this.#exchange.requestBytes > this.#announced) {
      this.#fail(new BodyLengthError("the request body is longer than announced"));
    } else this.#request.write(chunk, () => this.#exchange.stream.consumed(chunk.length));
  }

  onEnd(trailers: RawHeaders): void {
    if (this.#upgraded !== undefined) this.#upgraded.onEnd();
    else if (this.#exchange.head.upgrade === true) this.#earlyEnd = true;
    else if (this.#bodyEnded) return;
    else if (this.#announced !== undefined && this.#exchange.requestBytes < this.#announced) {
      this.#fail(new BodyLengthError("the request body is shorter than announced"));
    } else {
      this.#bodyEnded = true;
      if (trailers.length > 0 && this.#announced === undefined) {
        // The relay is not trusted to have dropped what does not belong there.
        this.#request.addTrailers(fieldPairs(endToEndTrailers(trailers)));
      }
      this.#request.end();
    }
  }

  onReset(reason: StreamReset): void {
    this.#exchange.cancelled(reason);
    this.#request.destroy();
    this.#upgraded?.destroy();
  }

  onDrain(): void {
    if (this.#upgraded !== undefined) this.#upgraded.onDrain();
    else this.#response?.resume();
  }

  #headers(end: boolean): RawHeaders {
    const { head, agreement } = this.#exchange;
    const headers = localHeaders(head, this.#upstream, agreement);
    if (head.upgrade === true) {
      headers.push("Connection", "Upgrade", "Upgrade", carriedProtocols(head.headers));
    } else {
      headers.push("Connection", "close");
      // Named for every method: node:http would leave it out for GET or DELETE and send the body bare.
      if (!end && this.#announced === undefined) {
        headers.push("Transfer-Encoding", "chunked");
        const trailer = headerValue(head.headers, "trailer");
        if (trailer !== undefined) headers.push("Trailer", trailer);
      }
    }
    return headers;
  }

  /** A connection of its own, which may be half closed: an upgraded protocol may need one direction longer. */
  #connect(): net.Socket {
    const { target, connectTimeoutMs, lookup } = this.#upstream;
    const address = {
      host: target.hostname,
      port: target.port,
      allowHalfOpen: true,
      ...lookup.connectOptions(target.hostname, connectTimeoutMs),
    };
    const socket = target.secure
      ? tls.connect({
          ...address,
          ALPNProtocols: ["http/1.1"],
          ...(net.isIP(target.hostname) === 0 ? { servername: target.hostname } : {}),
        })
      : net.connect(address);
    const timer = setTimeout(() => {
      socket.destroy(Object.assign(new Error("connect timed out"), { code: "ETIMEDOUT" }));
    }, connectTimeoutMs);
    socket.once(target.secure ? "secureConnect" : "connect", () => {
      clearTimeout(timer);
      lookup.connected(socket);
      this.#connected = true;
    });
    socket.once("close", () => clearTimeout(timer));
    readAfterRefusedWrite(socket);
    this.#normalise(socket);
    return socket.setNoDelay(true);
  }

  #normalise(socket: net.Socket): void {
    const { head } = this.#exchange;
    const options = {
      upgrade: head.upgrade === true,
      expectsContinue: headerValue(head.headers, "expect") !== undefined,
      withholdsLength: false,
      maxHeadBytes: this.#upstream.maxHeadBytes,
    };
    new ResponseNormaliser(socket, options, true);
  }

  #listen(): void {
    const request = this.#request;
    request.on("information", (info) => this.#exchange.sendInterim(info.statusCode, info.rawHeaders));
    request.on("response", (response) => this.#onResponse(response));
    request.on("upgrade", (response, socket, head) => this.#onUpgrade(response, socket, head));
    request.on("error", (error) => this.#fail(error));
  }

  #onResponse(response: http.IncomingMessage): void {
    this.#response = response;
    const status = response.statusCode as number;
    const bodiless = isBodyless(this.#exchange.head.method, status);
    const isSent = this.#exchange.sendHead(status, response.rawHeaders, bodiless);
    this.#dropEarly();
    if (!isSent) {
      this.#request.destroy();
      return;
    }
    response.on("data", (chunk: Buffer) => {
      if (!this.#exchange.write(chunk)) response.pause();
    });
    response.on("end", () => {
      if (!bodiless) {
        const trailers = response.rawTrailers;
        this.#exchange.end(trailers.length === 0 ? undefined : trailers);
      }
      this.#bodyEnded = true;
      this.#exchange.answered();
      this.#request.destroy();
    });
    response.on("error", (error) => this.#fail(error));
  }

  #onUpgrade(response: http.IncomingMessage, socket: net.Socket, head: Buffer): void {
    if (this.#exchange.finished) {
      socket.destroy();
      return;
    }
    this.#exchange.sendHead(101, response.rawHeaders, false);
    this.#upgraded = new UpgradedConnection(this.#exchange, socket, this.#upstream.target);
    if (head.length > 0) this.#upgraded.send(head);
    for (const chunk of this.#early.splice(0)) this.#upgraded.onData(chunk);
    if (this.#earlyEnd) this.#upgraded.onEnd();
  }

  /** The upgrade was refused: what came for the other protocol goes nowhere. */
  #dropEarly(): void {
    let dropped = 0;
    for (const chunk of this.#early.splice(0)) dropped += chunk.length;
    if (dropped > 0) this.#exchange.stream.consumed(dropped);
  }

  #fail(error: Error): void {
    if (this.#exchange.finished) return;
    this.#exchange.fail(upstreamFailure(error, this.#upstream.target, this.#connected));
    this.#request.destroy();
  }
}

/** The relay sent another body than it announced; passing it on would leave the local service out of step. */
class BodyLengthError extends Error {
  readonly code = "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH";
}
