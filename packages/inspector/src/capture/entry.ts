import { headerValue, isBodyless, isEventStreamType } from "mcp-tunnel-protocol";
import type { RawHeaders, RequestHead, ResponseHead } from "mcp-tunnel-protocol";
import type { ExchangeObserver, RefusedEvent, RequestEvent, ServedTunnel } from "mcp-tunnel-client";
import type { CapturedBody, CapturedEvent, CapturedMessage } from "../captured.js";
import { maxInterimHeads } from "../limits.js";
import type { McpReading } from "../reading.js";
import { Body, noBody } from "./body.js";
import { entryBytes, fieldsCost, stringBytes } from "./costs.js";
import type { Load } from "./load.js";
import { SocketMessages } from "./messages.js";
import { packRequest, packResponse, unpackRequest, unpackResponse } from "./packed-heads.js";
import type { PackedHead } from "./packed-heads.js";
import type { EntryRing, RingEntry } from "./ring.js";
import { StreamEvents } from "./stream-events.js";
import { answered, event, message, over, requested } from "./telling.js";

/** What begins an entry. */
export interface Beginning {
  readonly head: RequestHead;
  /** On the clock of `performance.now()`, in milliseconds. */
  readonly startedAtMs: number;
  readonly replayOf?: number;
  readonly refusal?: RefusedEvent;
  /** The name of the tunnel, if there are several. */
  readonly name?: string | undefined;
  /** The stream, if {@link Entry.isOn} is to know it. */
  readonly tunnel?: ServedTunnel;
  readonly streamId?: number;
}

const noFields: RawHeaders = [];
const noInterim: { atMs: number; head: ResponseHead }[] = [];

/**
 * One exchange: it observes the exchange, and keeps what the ring has room for. Each request has one, so it
 * has no timers, and keeps heads as they are until the exchange is over.
 *
 * ```
 * open --the exchange is over--> over --leaves the ring--> left
 *   \--leaves the ring--> evicted
 * ```
 *
 * `evicted`: its observer stays for as long as the exchange. So it lets go of what it had, and keeps nothing
 * more. An entry that was over keeps all but its bodies, and these too while somebody holds it.
 */
export class Entry implements RingEntry, Required<ExchangeObserver> {
  readonly id: number;
  readonly tunnel: string | undefined;
  readonly startedAt = Date.now();
  readonly replayOf: number | undefined;
  readonly refusal: RefusedEvent | undefined;
  reachedService: boolean;
  requestTrailers = noFields;
  requestEndMs: number | undefined = undefined;
  interim = noInterim;
  headMs: number | undefined = undefined;
  firstByteMs: number | undefined = undefined;
  responseTrailers = noFields;
  events: StreamEvents | undefined = undefined;
  socket: SocketMessages | undefined = undefined;
  over: RequestEvent | undefined = undefined;
  mcp: McpReading | undefined = undefined;
  cost: number;
  readonly #isUpgradeRequest: boolean;
  /** Heads that passed while the exchange is open, and packed ones afterwards. */
  #head: RequestHead | PackedHead;
  #serviceHead: RequestHead | PackedHead | undefined = undefined;
  #response: ResponseHead | PackedHead | undefined = undefined;
  readonly #ring: EntryRing;
  readonly #load: Load;
  readonly #startedAtMs: number;
  readonly #streamId: number | undefined;
  /** Undefined once the exchange is over: the session of an entry may be long gone. */
  #tunnel: ServedTunnel | undefined;
  #state: "open" | "over" | "left" | "evicted" = "open";
  /** How many need its bodies although it may leave the ring. */
  #holders = 0;
  #request: Body | undefined;
  #answer: Body | undefined;
  /** What heads and trailers cost, and what other rooms keep. */
  #otherCost: number;
  /** After the head of the answer, bytes are no bodies. */
  #isUpgraded = false;

  /** Takes the next id of `ring`. */
  constructor(ring: EntryRing, load: Load, beginning: Beginning) {
    const { head, startedAtMs, replayOf, refusal, name, tunnel, streamId } = beginning;
    this.id = ring.nextId;
    this.#head = head;
    this.#isUpgradeRequest = head.upgrade === true;
    this.tunnel = name;
    this.replayOf = replayOf;
    this.reachedService = replayOf !== undefined;
    this.refusal = refusal;
    this.#ring = ring;
    this.#load = load;
    this.#startedAtMs = startedAtMs;
    this.#tunnel = tunnel;
    this.#streamId = streamId;
    this.#otherCost = entryBytes + requestHeadCost(head);
    this.cost = this.#otherCost;
  }

  get head(): RequestHead {
    return this.#unpacked(this.#head);
  }

  get serviceHead(): RequestHead | undefined {
    return this.#serviceHead === undefined ? undefined : this.#unpacked(this.#serviceHead);
  }

  get response(): ResponseHead | undefined {
    return typeof this.#response === "string" ? unpackResponse(this.#response) : this.#response;
  }

  get requestBody(): CapturedBody {
    return this.#request ?? noBody;
  }

  get responseBody(): CapturedBody {
    return this.#answer ?? noBody;
  }

  grow(bytes: number): void {
    this.#otherCost += bytes;
    this.#settle();
  }

  isOn(tunnel: ServedTunnel, streamId: number): boolean {
    return this.#streamId === streamId && this.#tunnel === tunnel;
  }

  passed(head: RequestHead): void {
    this.reachedService = true;
    if (this.#state !== "open" || isSame(head, this.head)) return;
    if (this.serviceHead !== undefined) this.#otherCost -= requestHeadCost(this.serviceHead);
    this.#otherCost += requestHeadCost(head);
    this.#serviceHead = head;
    this.#settle();
  }

  // ---- from the exchange

  onRequestData(chunk: Buffer): void {
    if (this.#state !== "open") return;
    this.#request ??= new Body(this.#ring.blocks);
    if (this.#isUpgraded) {
      this.#request.count(chunk.length);
      this.socket?.visitor(chunk);
      if (this.socket?.missed === true) this.#request.miss(this.#load);
    } else this.#request.append(chunk, this.#load);
    this.#settle();
  }

  onRequestEnd(trailers: RawHeaders): void {
    if (this.#state !== "open") return;
    this.requestEndMs = this.#nowMs();
    this.requestTrailers = this.#keep(trailers, this.requestTrailers);
    this.#count();
    this.#ring.tell(requested, this, undefined);
  }

  onInterim(head: ResponseHead): void {
    if (this.#state !== "open" || this.interim.length === maxInterimHeads) return;
    if (this.interim === noInterim) this.interim = [];
    this.interim.push({ atMs: this.#nowMs(), head: this.#keepHead(head) });
    this.#settle();
  }

  onHead(head: ResponseHead, end: boolean): void {
    if (this.#state !== "open" || this.#response !== undefined) return;
    this.headMs = this.#nowMs();
    const kept = this.#keepHead(head);
    this.#response = kept;
    if (head.status === 101) this.#upgrade(kept);
    else if (!end && !isBodyless(this.head.method, head.status) && hasEvents(kept)) {
      this.events = new StreamEvents(
        (next) => this.#onEvent(next),
        () => this.#nowMs(),
        this.#load,
      );
    }
    this.#count();
    this.#ring.tell(answered, this, undefined);
    if (this.#isUpgraded) this.#readEarly();
  }

  onData(chunk: Buffer): void {
    if (this.#state !== "open") return;
    this.#answer ??= new Body(this.#ring.blocks);
    this.firstByteMs ??= this.#nowMs();
    if (this.#isUpgraded || this.events !== undefined) {
      this.#answer.count(chunk.length);
      this.socket?.service(chunk);
      this.events?.push(chunk);
      if (this.socket?.missed === true || this.events?.missed === true) this.#answer.miss(this.#load);
    } else this.#answer.append(chunk, this.#load);
    this.#settle();
  }

  onEnd(trailers: RawHeaders): void {
    if (this.#state !== "open") return;
    this.responseTrailers = this.#keep(trailers, this.responseTrailers);
    this.#settle();
  }

  onOver(report: RequestEvent): void {
    if (this.#state !== "open") return;
    this.#state = "over";
    this.#tunnel = undefined;
    // The exchange of a replay begins a moment after its entry, whose other times would exceed its duration.
    const durationMs = this.replayOf === undefined ? report.durationMs : this.#nowMs();
    // V8 notes where long-lived objects are made. The copy keeps it from taking all reports for such ones.
    this.over = { ...report, durationMs };
    // A service of the user's own may reset a stream with anything as the message.
    if (typeof report.error?.message === "string")
      this.#otherCost += stringBytes + report.error.message.length;
    this.events?.end();
    this.socket?.finish(() => this.#count());
    this.#count();
    this.#ring.tell(over, this, undefined);
    this.#pack();
  }

  #pack(): void {
    if (typeof this.#head !== "string") this.#head = packRequest(this.#head) ?? this.#head;
    if (typeof this.#serviceHead === "object") {
      this.#serviceHead = packRequest(this.#serviceHead) ?? this.#serviceHead;
    }
    if (typeof this.#response === "object") {
      this.#response = packResponse(this.#response) ?? this.#response;
    }
  }

  #unpacked(head: RequestHead | PackedHead): RequestHead {
    return typeof head === "string" ? unpackRequest(head, this.#isUpgradeRequest) : head;
  }

  // ---- from the ring

  leave(): void {
    this.#state = this.#state === "open" ? "evicted" : "left";
  }

  left(): void {
    if (this.#holders === 0) this.#freeBodies();
    if (this.#state !== "evicted") return;
    // The head stays, because the exchange has it anyway.
    this.#tunnel = undefined;
    this.#serviceHead = undefined;
    this.#request = undefined;
    this.#answer = undefined;
    this.requestTrailers = noFields;
    this.interim = noInterim;
    this.#response = undefined;
    this.responseTrailers = noFields;
    this.events?.end();
    this.events = undefined;
    this.socket?.end();
    this.socket = undefined;
    this.mcp = undefined;
  }

  hold(): void {
    this.#holders += 1;
  }

  letGo(): void {
    this.#holders -= 1;
    if (this.#holders === 0 && this.#hasLeft) this.#freeBodies();
  }

  /** Their memory is used for others. */
  #freeBodies(): void {
    this.#request?.forget();
    this.#answer?.forget();
  }

  // ---- an upgraded connection, and an event stream

  #upgrade(head: ResponseHead): void {
    this.#isUpgraded = true;
    if (headerValue(head.headers, "upgrade")?.toLowerCase() !== "websocket") return;
    const nowMs = (): number => this.#nowMs();
    this.socket = new SocketMessages(head.headers, (next) => this.#onMessage(next), nowMs, this.#load);
  }

  /** A visitor may send before he has the answer. */
  #readEarly(): void {
    const early = this.#request;
    if (early === undefined || early.bytes === 0) return;
    if (early.kept === early.bytes) this.socket?.visitor(early.bufferOf());
    else this.socket?.end("the visitor sent too much before the answer");
    early.forget();
    this.#settle();
  }

  #onEvent(next: CapturedEvent): void {
    if (this.#hasLeft) return;
    this.#count();
    this.#ring.tell(event, this, next);
  }

  #onMessage(next: CapturedMessage): void {
    if (this.#hasLeft) return;
    this.#count();
    this.#ring.tell(message, this, next);
  }

  // ---- what it costs

  get #hasLeft(): boolean {
    return this.#state === "left" || this.#state === "evicted";
  }

  /** Counts fields that are kept in the place of others. */
  #keep(fields: RawHeaders, others: RawHeaders): RawHeaders {
    const sound = soundFields(fields);
    // Most exchanges have no trailers.
    if (sound.length === 0 && others === noFields) return noFields;
    this.#otherCost += fieldsCost(sound) - fieldsCost(others);
    return sound;
  }

  #keepHead(head: ResponseHead): ResponseHead {
    const headers = this.#keep(head.headers, noFields);
    return headers === head.headers ? head : { ...head, headers };
  }

  /** Tells the ring what the entry costs. */
  #count(): void {
    if (this.#hasLeft) return;
    let cost = this.#otherCost;
    if (this.#request !== undefined) cost += this.#request.held;
    if (this.#answer !== undefined) cost += this.#answer.held;
    if (this.events !== undefined) cost += this.events.held;
    if (this.socket !== undefined) cost += this.socket.held;
    this.#ring.count(cost - this.cost);
    this.cost = cost;
  }

  #settle(): void {
    this.#count();
    this.#ring.fit();
  }

  #nowMs(): number {
    return performance.now() - this.#startedAtMs;
  }
}

function requestHeadCost({ method, path, headers }: RequestHead): number {
  return 2 * stringBytes + method.length + path.length + fieldsCost(headers);
}

/** A service of the user's own may send anything as fields. */
function soundFields(fields: RawHeaders): RawHeaders {
  const isSound = Array.isArray(fields) && fields.every((field) => typeof field === "string");
  return isSound ? fields : noFields;
}

function hasEvents({ headers }: ResponseHead): boolean {
  if (!isEventStreamType(headerValue(headers, "content-type") ?? "")) return false;
  const encoding = headerValue(headers, "content-encoding");
  return encoding === undefined || encoding.trim().toLowerCase() === "identity";
}

function isSame(one: RequestHead, other: RequestHead): boolean {
  if (one === other) return true;
  if (one.method !== other.method || one.path !== other.path) return false;
  if (one.headers === other.headers) return true;
  if (one.headers.length !== other.headers.length) return false;
  return one.headers.every((field, i) => field === other.headers[i]);
}
