import * as http from "node:http";
import type { Socket } from "node:net";
import type { RawHeaders, StreamHandler } from "mcp-tunnel-protocol";
import { carriedProtocols, fieldPairs, headerValue, isBodyless } from "mcp-tunnel-protocol";
import { lengthOf } from "../request-head.js";
import { ignored } from "../service.js";
import type { Answer } from "./answer.js";
import { readAfterRefusedWrite } from "./early-answer.js";
import { clientClosed, upstreamFailure } from "./errors.js";
import { localHeaders } from "./headers.js";
import { parserMaxHeadBytes, ResponseNormaliser } from "./response-normaliser.js";
import { UpgradedConnection } from "./upgrade.js";
import type { OwnConnection, Upstream } from "./upstream.js";

/**
 * Sends a request on a connection of its own, with node:http. This is for requests that undici's dispatch
 * cannot send: upgrades, `Expect: 100-continue`, `OPTIONS *`, trailers that a request announces, and a head
 * that goes out before there is any body.
 */
export function sendRaw(answer: Answer, upstream: Upstream, end: boolean): StreamHandler {
  try {
    if (upstream.isClosed) throw clientClosed();
    return new RawRequest(answer, upstream, end);
  } catch (error) {
    // node:http checks names and values as soon as it is given them, too.
    answer.fail(upstreamFailure(error, upstream.target, false));
    return ignored;
  }
}

class RawRequest implements StreamHandler, OwnConnection {
  previous: OwnConnection | undefined;
  next: OwnConnection | undefined;
  readonly #answer: Answer;
  readonly #upstream: Upstream;
  readonly #request: http.ClientRequest;
  readonly #announced: number | undefined;
  #response: http.IncomingMessage | undefined;
  #upgraded: UpgradedConnection | undefined;
  #connected = false;
  #begun = false;
  /** The request's body has ended, or nobody wants more of it. */
  #bodyEnded = false;
  #requestBytes = 0;
  /** Bytes that a visitor sent before the local service has answered the upgrade. */
  readonly #early: Buffer[] = [];
  #earlyEnd = false;

  constructor(answer: Answer, upstream: Upstream, end: boolean) {
    this.#answer = answer;
    this.#upstream = upstream;
    const { head } = answer;
    const length = lengthOf(head.headers);
    this.#announced = typeof length === "number" ? length : undefined;
    this.#request = http.request({
      method: head.method,
      path: head.path,
      headers: this.#headers(end),
      maxHeaderSize: parserMaxHeadBytes(upstream.pool.maxHeadBytes),
      createConnection: () => this.#connect(),
    });
    // Node would silently leave out the fields beyond 2,000.
    this.#request.maxHeadersCount = 0;
    this.#listen();
    if (end || head.upgrade === true) {
      this.#bodyEnded = true;
      this.#request.end();
    } else this.#request.flushHeaders();
    upstream.own.add(this);
    upstream.pool.idle.requested();
  }

  onData(chunk: Buffer): void {
    this.#requestBytes += chunk.length;
    if (this.#upgraded !== undefined) this.#upgraded.onData(chunk);
    else if (this.#answer.head.upgrade === true && this.#response === undefined) this.#early.push(chunk);
    else if (this.#bodyEnded) this.#answer.stream.consumed(chunk.length);
    else if (this.#announced !== undefined && this.#requestBytes > this.#announced) {
      this.#fail(new BodyLengthError("the request body is longer than announced"));
    } else this.#request.write(chunk, () => this.#answer.stream.consumed(chunk.length));
  }

  onEnd(trailers: RawHeaders): void {
    if (this.#upgraded !== undefined) this.#upgraded.onEnd();
    else if (this.#answer.head.upgrade === true) this.#earlyEnd = true;
    else if (this.#bodyEnded) return;
    else if (this.#announced !== undefined && this.#requestBytes < this.#announced) {
      this.#fail(new BodyLengthError("the request body is shorter than announced"));
    } else {
      this.#bodyEnded = true;
      if (trailers.length > 0 && this.#announced === undefined) {
        this.#request.addTrailers(fieldPairs(trailers));
      }
      this.#request.end();
    }
  }

  onReset(): void {
    this.#answer.stop();
    this.#request.destroy();
    this.#upgraded?.destroy();
  }

  onDrain(): void {
    if (this.#upgraded !== undefined) this.#upgraded.onDrain();
    else this.#response?.resume();
  }

  /** The client is closing. */
  cut(): void {
    this.#fail(clientClosed());
    this.#request.destroy();
    this.#upgraded?.destroy();
  }

  #headers(end: boolean): RawHeaders {
    const { head, agreement } = this.#answer;
    const headers = localHeaders(head, this.#upstream, agreement);
    if (head.upgrade === true) {
      headers.push("Connection", "Upgrade", "Upgrade", carriedProtocols(head.headers));
    } else {
      headers.push("Connection", "close");
      // The coding is named for every method: node:http would leave it out for GET or DELETE and send the
      // body bare.
      if (!end && this.#announced === undefined) {
        headers.push("Transfer-Encoding", "chunked");
        const trailer = headerValue(head.headers, "trailer");
        if (trailer !== undefined) headers.push("Trailer", trailer);
      }
    }
    return headers;
  }

  #connect(): Socket {
    const socket = this.#upstream.pool.connections.connect(() => {
      this.#connected = true;
    });
    readAfterRefusedWrite(socket);
    this.#normalise(socket);
    return socket;
  }

  #normalise(socket: Socket): void {
    const { head } = this.#answer;
    const options = {
      upgrade: head.upgrade === true,
      expectsContinue: headerValue(head.headers, "expect") !== undefined,
      withholdsLength: false,
      maxHeadBytes: this.#upstream.pool.maxHeadBytes,
    };
    new ResponseNormaliser(socket, options, true);
  }

  #listen(): void {
    const request = this.#request;
    request.on("information", (info) => {
      this.#stopWaiting();
      this.#answer.sendInterim(info.statusCode, info.rawHeaders);
    });
    request.on("response", (response) => this.#onResponse(response));
    request.on("upgrade", (response, socket, head) => this.#onUpgrade(response, socket, head));
    request.on("error", (error) => this.#fail(error));
    request.on("close", () => {
      this.#stopWaiting();
      if (this.#upgraded === undefined) this.#upstream.own.delete(this);
    });
  }

  #onResponse(response: http.IncomingMessage): void {
    this.#stopWaiting();
    this.#response = response;
    const status = response.statusCode as number;
    const bodiless = isBodyless(this.#answer.head.method, status);
    this.#answer.sendHead(status, response.rawHeaders, bodiless);
    this.#dropEarly();
    response.on("data", (chunk: Buffer) => {
      if (!this.#answer.write(chunk)) response.pause();
    });
    response.on("end", () => {
      if (!bodiless) {
        const trailers = response.rawTrailers;
        this.#answer.end(trailers.length === 0 ? undefined : trailers);
      }
      this.#bodyEnded = true;
      this.#answer.complete();
      this.#request.destroy();
    });
    response.on("error", (error) => this.#fail(error));
  }

  #onUpgrade(response: http.IncomingMessage, socket: Socket, head: Buffer): void {
    this.#stopWaiting();
    if (this.#answer.isOver) {
      socket.destroy();
      return;
    }
    this.#answer.sendHead(101, response.rawHeaders, false);
    const onClosed = (): void => this.#upstream.own.delete(this);
    this.#upgraded = new UpgradedConnection(this.#answer, socket, this.#upstream.target, onClosed);
    if (head.length > 0) this.#upgraded.send(head);
    for (const chunk of this.#early.splice(0)) this.#upgraded.onData(chunk);
    if (this.#earlyEnd) this.#upgraded.onEnd();
  }

  /** The answer has begun, or will never come. */
  #stopWaiting(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#upstream.pool.idle.answered();
  }

  /** The upgrade was refused, so bytes for the other protocol are dropped. */
  #dropEarly(): void {
    let dropped = 0;
    for (const chunk of this.#early.splice(0)) dropped += chunk.length;
    if (dropped > 0) this.#answer.stream.consumed(dropped);
  }

  #fail(error: Error): void {
    if (this.#answer.isOver) return;
    this.#answer.fail(upstreamFailure(error, this.#upstream.target, this.#connected));
    this.#request.destroy();
  }
}

/**
 * The relay sent a body of another length than it announced. Passing it on would leave the local service out
 * of step.
 */
class BodyLengthError extends Error {
  readonly code = "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH";
}
