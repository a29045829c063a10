import { createHash } from "node:crypto";
import { mustDiffer } from "./must-differ.js";

/** A JSON-RPC message, as a client's transport has read it. */
export type Message = Record<string, unknown>;

/** A message, as a client's transport has sent or received it. */
export interface Passed {
  readonly from: "client" | "server";
  readonly message: Message;
  /** By `performance.now()`, in milliseconds. */
  readonly atMs: number;
}

/** What a client has seen during one of its steps. */
export interface Step {
  readonly name: string;
  /** What the server has sent, and what the client has returned to its caller, in order. */
  readonly seen: string[];
}

/** The part of both SDKs' transports that a journal needs. */
interface Transport {
  // oxlint-disable-next-line typescript/no-explicit-any -- the SDKs' own types differ in their parameters
  onmessage?: ((message: any, extra?: any) => void) | undefined;
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  send(message: any, options?: any): Promise<void>;
}

/** How long a step waits for what the server has to send. */
const patienceMs = 15_000;

/**
 * Everything that a client sees of its server, step by step. It is written at the transport: what the SDK
 * drops or does not know is seen as well.
 */
export class Journal {
  readonly steps: Step[] = [{ name: "before the first step", seen: [] }];
  /** All messages, as they are. An error that came with a status that fits it is the answer. */
  readonly passed: Passed[] = [];
  /** What was received, without the responses, since the step began. */
  #received: Message[] = [];
  #onReceived = (): void => {};
  /** Names for the ids of the client's requests: the two ways of a comparison count their ids differently. */
  readonly #requests = new Map<unknown, string>();
  readonly #counts = new Map<string, number>();

  /** Writes down what a transport sends and receives from now on. */
  watch(transport: Transport): void {
    const send = transport.send.bind(transport);
    transport.send = (message: Message, options) => {
      this.#sent(message);
      return send(message, options).catch((error: unknown) => {
        const { id } = message;
        if (id !== undefined) this.#pass("server", { id, error: errorIn(error as Failure) });
        throw error;
      });
    };
    // A client may take its listener back for a while, and put it in again.
    const watching = new WeakSet<object>();
    let listener: Transport["onmessage"];
    Object.defineProperty(transport, "onmessage", {
      get: () => listener,
      set: (next: Transport["onmessage"]) => {
        listener = next;
        if (next === undefined || watching.has(next)) return;
        listener = (message: Message, extra) => {
          this.#receive(message);
          next(message, extra);
        };
        watching.add(listener);
      },
    });
  }

  /**
   * Runs one step. Its result, or its failure, belongs to what the client has seen. `order` says how what
   * was seen is ordered: as it came, or request by request, because a server answers several requests in
   * any order.
   */
  async step(
    name: string,
    run: () => unknown,
    order: "as it came" | "by request" = "as it came",
  ): Promise<void> {
    this.steps.push({ name, seen: [] });
    this.#received = [];
    try {
      this.#note("returned", await run());
    } catch (error) {
      const { message, code, data } = errorIn(error as Failure);
      this.#note("failed", { message, code, data });
    }
    const seen = this.steps.at(-1)?.seen ?? [];
    if (order === "by request") seen.splice(0, seen.length, ...seen.map(withoutServerId).toSorted(byRequest));
  }

  /**
   * Waits until the server has sent `count` requests or notifications of this method during the step. A
   * step whose server sends more than its answer has to wait for it, so that it is not seen in a later
   * step.
   * @throws Error if they do not come.
   */
  async received(method: string, count = 1): Promise<void> {
    const found = (): number => this.#received.filter((message) => message["method"] === method).length;
    const deadline = AbortSignal.timeout(patienceMs);
    await new Promise<void>((resolve, reject) => {
      const expired = (): void => reject(new Error(`${found()} of ${count} times ${method} received`));
      deadline.addEventListener("abort", expired, { once: true });
      this.#onReceived = () => {
        if (found() < count) return;
        deadline.removeEventListener("abort", expired);
        resolve();
      };
      this.#onReceived();
    });
  }

  #pass(from: Passed["from"], message: Message): void {
    this.passed.push({ from, message, atMs: performance.now() });
  }

  #sent(message: Message): void {
    this.#pass("client", message);
    const { id, method } = message;
    if (typeof method !== "string" || id === undefined) return;
    const count = (this.#counts.get(method) ?? 0) + 1;
    this.#counts.set(method, count);
    this.#requests.set(id, `${method} ${count}`);
  }

  #receive(message: Message): void {
    this.#pass("server", message);
    if (message["method"] !== undefined) this.#received.push(message);
    this.#note("received", message);
    this.#onReceived();
  }

  #note(what: string, value: unknown): void {
    this.steps.at(-1)?.seen.push(`${what} ${this.#written(value)}`);
  }

  /** The text of a value, in the order of its members, without what must differ between two runs. */
  #written(value: unknown): string {
    const method = what(value, "method");
    const isResponse = method === undefined && what(value, "id") !== undefined;
    const text = JSON.stringify(value, (name, member: unknown) => {
      // The token of a server's own request is the server's.
      if (name === "progressToken" && method === "notifications/progress") return this.#nameOf(member);
      if (name === "io.modelcontextprotocol/subscriptionId") return this.#nameOf(member);
      if (name === "id" && isResponse && member === what(value, "id")) return this.#nameOf(member);
      return typeof member === "string" ? shortened(member) : member;
    });
    let written = text ?? "nothing";
    for (const { found, replacement } of mustDiffer) written = written.replaceAll(found, replacement);
    return written;
  }

  #nameOf(id: unknown): unknown {
    return this.#requests.get(id) ?? this.#requests.get(Number(id)) ?? id;
  }
}

interface Failure {
  readonly message: string;
  readonly code?: unknown;
  readonly data?: unknown;
}

/**
 * The server's error in a failure of a request. Revision 2026-07-28 over HTTP answers with the status that
 * fits the error, of which SDK 2 makes an error of its own with the answer's text.
 */
function errorIn(failure: Failure): Failure {
  const text = (failure.data as { text?: unknown } | undefined)?.text;
  if (typeof text !== "string") return failure;
  return (JSON.parse(text) as { error: Failure }).error;
}

function what(value: unknown, name: string): unknown {
  return (value as Message | undefined)?.[name];
}

/**
 * Compares lines by the request that they belong to. Lines of one request stay in their order. Lines of
 * none, such as the server's own requests, have no order.
 */
function byRequest(one: string, other: string): number {
  const [request, otherRequest] = [requestOf(one), requestOf(other)];
  return request === "" && otherRequest === ""
    ? one.localeCompare(other)
    : request.localeCompare(otherRequest);
}

/** A server's request without its id: requests that reach the server in another order get other ids. */
function withoutServerId(line: string): string {
  return line.replace(/"id":\d+,("method":)/, "$1");
}

function requestOf(line: string): string {
  return /"(?:id|progressToken)":"([^"]*)"/.exec(line)?.[1] ?? "";
}

/** A long text by its length and its hash. */
function shortened(text: string): string {
  if (text.length <= 2_000) return text;
  const hash = createHash("sha256").update(text).digest("hex");
  return `${text.slice(0, 20)}… (${text.length} characters, ${hash})`;
}
