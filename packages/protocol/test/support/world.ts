import { TunnelError } from "mcp-tunnel-protocol";
import { V1ClientSession, V1RelaySession } from "mcp-tunnel-protocol/sessions";
import type { AcceptedStream, SessionHandler, StreamHandler, TunnelStream } from "mcp-tunnel-protocol";
import type { V1Options } from "mcp-tunnel-protocol/sessions";
import { linkedPair } from "mcp-tunnel-protocol/testing";
import type { MemoryLink } from "mcp-tunnel-protocol/testing";
import { vi } from "vitest";
import { bytesAt } from "../../../../test/support/bytes.js";
import { isOfFirstRelease } from "./first-wire.js";
import { describe, parse, types } from "./wire.js";

export type SideName = "relay" | "client";
const other = { relay: "client", client: "relay" } as const;

/** Behaviour of a stream's handler by itself, inside its callbacks. */
export interface Behaviour {
  /** Passes on all data at once. */
  eager: boolean;
  /** Client: answers while it accepts. Relay: ends its direction when the response head comes. */
  early: boolean;
  /** Ends its own direction when the peer's ends. */
  endsOnEnd: boolean;
  /** Writes this much in `onDrain`, a few times. */
  writesOnDrain: number;
  /** Resets the stream at its n-th callback. */
  resetsAt: number | undefined;
  /** Throws at its n-th callback. */
  throwsAt: number | undefined;
}

export type Step =
  | { do: "open"; body: boolean; upgrade: boolean; relay: Behaviour; client: Behaviour }
  | { do: "interim"; stream: number }
  | { do: "head"; stream: number; end: boolean }
  | { do: "write"; stream: number; side: SideName; size: number }
  | { do: "end"; stream: number; side: SideName; trailers: string[] }
  | { do: "consume"; stream: number; side: SideName; bytes: number }
  | { do: "reset"; stream: number; side: SideName; code: "cancelled" | "no_error" | "internal" }
  | { do: "deliver"; side: SideName; bytes: number; whole: boolean }
  | { do: "time"; ms: number }
  | { do: "cut"; noticed: "both" | SideName }
  | { do: "connect"; lost: boolean }
  | { do: "congest"; side: SideName; bytes: number }
  | { do: "goaway"; side: SideName }
  /** The relay tells of this many refusals. */
  | { do: "refused"; count: number };

/** The bytes of one direction of a stream: any mistake in order, offset or stream shows. */
function pattern(id: number, from: SideName, offset: number, length: number): Buffer {
  return bytesAt(id * 100_003 + (from === "relay" ? 0 : 50_021) + offset, length);
}

/** One end of a stream: its actions, as the model knows them, and the callbacks of its handler. */
class End {
  stream: (TunnelStream & Partial<AcceptedStream>) | undefined;
  written = 0;
  /** `write` said that it should wait, and neither a drain nor the end's flush has come since. */
  waits = false;
  headSent = false;
  ended: string[] | undefined;
  didReset: string | undefined;
  threw = false;
  received = 0;
  consumed = 0;
  headSeen = false;
  endSeen: readonly string[] | undefined;
  resetSeen: string | undefined;
  callbacks = 0;
  #drains = 0;
  readonly side: SideName;
  readonly id: number;
  readonly behaviour: Behaviour;
  readonly #problem: (text: string) => void;

  constructor(side: SideName, id: number, behaviour: Behaviour, problem: (text: string) => void) {
    this.side = side;
    this.id = id;
    this.behaviour = behaviour;
    this.#problem = (text) => problem(`${side}, stream ${id}: ${text}`);
    if (side === "relay") this.headSent = true;
  }

  /** Whether either end has cut it, as far as this end knows. */
  get isCut(): boolean {
    return this.didReset !== undefined || this.resetSeen !== undefined || this.threw;
  }

  get isFinished(): boolean {
    return this.isCut || (this.ended !== undefined && this.endSeen !== undefined);
  }

  write(size: number): void {
    if (!this.headSent || this.ended !== undefined || this.isCut || size === 0) return;
    const more = this.stream?.write(pattern(this.id, this.side, this.written, size));
    this.written += size;
    if (more === false) this.waits = true;
  }

  head(end: boolean): void {
    if (this.headSent || this.isCut || this.side === "relay") return;
    this.headSent = true;
    if (end) this.ended = [];
    this.stream?.sendHead?.({ status: 200, headers: ["Id", String(this.id)] }, end);
  }

  interim(): void {
    if (this.side === "client") this.stream?.sendInterim?.({ status: 103, headers: [] });
  }

  end(trailers: string[]): void {
    if (!this.headSent || this.ended !== undefined || this.isCut) return;
    this.ended = trailers;
    this.stream?.end(trailers);
  }

  reset(code: "cancelled" | "no_error" | "internal"): void {
    if (this.isFinished || this.stream === undefined) return;
    this.didReset = code;
    this.stream.reset(code);
  }

  consume(bytes: number): void {
    const taken = Math.min(bytes, this.received - this.consumed);
    this.consumed += taken;
    if (taken > 0) this.stream?.consumed(taken);
  }

  readonly handler: StreamHandler = {
    onInterim: () => {
      if (this.headSeen) this.#problem("an interim head after the head");
      this.#called();
    },
    onHead: (head, end) => {
      if (this.headSeen) this.#problem("a second head");
      if (head.headers[1] !== String(this.id)) this.#problem("another stream's head");
      this.headSeen = true;
      if (this.behaviour.early && !end) this.end([]);
      this.#called();
    },
    onData: (chunk, last) => {
      if (this.endSeen !== undefined) this.#problem("data after the end");
      if (this.side === "relay" && !this.headSeen) this.#problem("data before the head");
      const expected = pattern(this.id, other[this.side], this.received, chunk.length);
      if (!expected.equals(chunk)) this.#problem(`wrong data at ${this.received}, ${chunk.length} bytes`);
      this.received += chunk.length;
      if (this.behaviour.eager) this.consume(chunk.length);
      if (this.behaviour.early && last) this.end([]);
      this.#called();
    },
    onEnd: (trailers) => {
      if (this.endSeen !== undefined) this.#problem("a second end");
      this.endSeen = trailers;
      if (this.behaviour.endsOnEnd) {
        this.head(false);
        this.end(["Ended", "too"]);
      }
      this.#called();
    },
    onReset: (reason) => {
      if (this.resetSeen !== undefined || this.didReset !== undefined) {
        this.#problem(`told of reset ${reason.code} after a reset`);
      }
      this.resetSeen = reason.code;
    },
    onDrain: () => {
      if (!this.waits) this.#problem("a drain that nobody waited for");
      if (this.ended !== undefined) this.#problem("a drain after the end");
      this.waits = false;
      this.#drains += 1;
      if (this.#drains <= 5) this.write(this.behaviour.writesOnDrain);
      this.#called();
    },
    onFlushed: () => {
      if (!this.waits) this.#problem("flushed, and nobody waited for it");
      if (this.ended === undefined) this.#problem("flushed before the end");
      if (this.isCut) this.#problem("flushed after the reset");
      this.waits = false;
      // It may come within another callback, which counts itself: `end` calls it.
    },
  };

  #called(): void {
    if (this.isCut) this.#problem(`a callback after the reset (${this.didReset ?? this.resetSeen})`);
    this.callbacks += 1;
    if (this.callbacks === this.behaviour.resetsAt) this.reset("cancelled");
    if (this.callbacks === this.behaviour.throwsAt) {
      this.threw = true;
      throw new Error("a handler's own fault");
    }
  }
}

/**
 * A relay's and a client's session over links that the test moves by the byte, and a model of every stream.
 * Time must be faked; nothing happens unless a step says so.
 */
export class World {
  readonly problems: string[] = [];
  readonly events: string[] = [];
  readonly streams: { relay: End; client: End }[] = [];
  /** Refusals that the relay has told of, and below those that have arrived. */
  readonly #toldRefusals: string[] = [];
  readonly #heardRefusals: string[] = [];
  readonly relay: V1RelaySession;
  readonly client: V1ClientSession;
  readonly #links: { relay: MemoryLink | undefined; client: MemoryLink | undefined } = {
    relay: undefined,
    client: undefined,
  };

  constructor(options: { relay: V1Options; client: V1Options }) {
    const told = (name: string): SessionHandler => ({
      onClose: (error) => this.events.push(`${name} closed: ${error.message}`),
      onDetached: () => {},
      onFault: (error) => {
        if (!(error instanceof Error) || error.message !== "a handler's own fault") {
          this.problems.push(`${name} fault: ${String(error)}`);
        }
      },
    });
    const liveness = { pingIntervalMs: 0 };
    this.relay = new V1RelaySession(told("relay"), { ...options.relay, liveness });
    this.client = new V1ClientSession(
      (stream) => {
        const end = this.streams[stream.id - 1]?.client;
        if (end === undefined) throw new Error(`stream ${stream.id} came out of nowhere`);
        end.stream = stream;
        if (end.behaviour.early) {
          end.head(false);
          end.write(10);
        }
        return end.handler;
      },
      {
        ...told("client"),
        onRefused: (refusals) => {
          for (const { path, count } of refusals) this.#heardRefusals.push(`${path} ${count}`);
        },
      },
      { ...options.client, liveness },
    );
    this.connect();
  }

  session(side: SideName): V1RelaySession | V1ClientSession {
    return side === "relay" ? this.relay : this.client;
  }

  async step(step: Step): Promise<void> {
    switch (step.do) {
      case "open":
        this.#open(step);
        break;
      case "interim":
        this.#end(step.stream, "client")?.interim();
        break;
      case "head":
        this.#end(step.stream, "client")?.head(step.end);
        break;
      case "write":
        this.#end(step.stream, step.side)?.write(step.size);
        break;
      case "end":
        this.#end(step.stream, step.side)?.end(step.trailers);
        break;
      case "consume":
        this.#end(step.stream, step.side)?.consume(step.bytes);
        break;
      case "reset":
        this.#end(step.stream, step.side)?.reset(step.code);
        break;
      case "deliver":
        this.deliver(step.side, step.bytes, step.whole);
        break;
      case "time":
        vi.advanceTimersByTime(step.ms);
        break;
      case "cut":
        this.cut(step.noticed);
        break;
      case "connect":
        this.connect(step.lost);
        break;
      case "congest":
        this.congest(step.side, step.bytes);
        break;
      case "goaway":
        this.session(step.side).goaway();
        break;
      case "refused":
        this.#refused(step.count);
        break;
    }
    // Frames of a later turn leave before the next step.
    await Promise.resolve();
  }

  #open(step: Extract<Step, { do: "open" }>): void {
    const id = this.streams.length + 1;
    const problem = (text: string) => this.problems.push(text);
    const ends = {
      relay: new End("relay", id, step.relay, problem),
      client: new End("client", id, step.client, problem),
    };
    this.streams.push(ends);
    const head = { method: "POST", path: `/${id}`, headers: ["Host", "x"], upgrade: step.upgrade };
    try {
      ends.relay.stream = this.relay.open(head, !step.body, ends.relay.handler);
      if (!step.body) ends.relay.ended = [];
    } catch (error) {
      if (!(error instanceof TunnelError) || !["draining", "overloaded"].includes(error.code)) throw error;
      this.streams.pop();
    }
  }

  /** The path numbers the refusal, so that a refusal told twice or out of order shows. */
  #refused(count: number): void {
    const path = `/${this.#toldRefusals.length}`;
    const refusal = {
      code: "url_too_long",
      status: 414,
      count,
      method: "GET",
      path,
      limit: undefined,
    } as const;
    if (this.relay.tellRefused([refusal])) this.#toldRefusals.push(`${path} ${count}`);
  }

  #end(index: number, side: SideName): End | undefined {
    const end = this.streams[index % Math.max(1, this.streams.length)]?.[side];
    return end?.stream === undefined ? undefined : end;
  }

  /** Delivers the next `bytes` that are on their way to `side`, in one message or as they were sent. */
  deliver(side: SideName, bytes: number, whole: boolean): void {
    const link = this.#links[side];
    if (link === undefined) return;
    const { inbox } = link;
    if (whole && inbox.length > 1) inbox.splice(0, inbox.length, Buffer.concat(inbox as Buffer[]));
    for (let left = bytes; left > 0 && inbox.length > 0; ) {
      const first = inbox[0] as Buffer;
      if (first.length > left) inbox.splice(0, 1, first.subarray(0, left), first.subarray(left));
      left -= (inbox[0] as Buffer).length;
      if (!link.deliver()) return;
    }
  }

  get isConnected(): boolean {
    return this.relay.attached && this.client.attached;
  }

  /** The network breaks. One side may think for a while that it is still there. */
  cut(noticed: "both" | SideName): void {
    const { relay, client } = this.#links;
    const lost = new TunnelError("session_lost", "cut by the test");
    for (const link of [relay, client]) {
      if (link === undefined) continue;
      link.inbox.length = 0;
      // Messages sent from now on go nowhere, and the other end does not hear that this end is gone.
      link.send = () => {};
      link.terminate = () => {};
    }
    if (noticed !== "client") this.relay.detach(lost);
    if (noticed !== "relay") this.client.detach(lost);
  }

  /** The client comes back. `lost`: the relay's answer never reaches it. */
  connect(lost = false): void {
    if (this.isConnected) this.cut("client");
    if (this.client.attached) this.client.detach(new TunnelError("session_lost", "found out"));
    const [relay, client] = linkedPair({ manual: true });
    for (const link of [relay, client]) this.#watch(link);
    // The relay detaches the old link first, so that `received` stands still.
    this.relay.detach(new TunnelError("session_lost", "replaced"));
    const answer = this.relay.received;
    this.relay.attach(relay, this.client.received);
    this.#links.relay = relay;
    this.#links.client = client;
    if (lost) this.cut("client");
    else this.client.attach(client, answer);
  }

  /**
   * Older peers close the link for a frame that they do not know. REFUSED goes only to clients that have
   * announced it, which is the business of the sessions' owners.
   */
  #watch(link: MemoryLink): void {
    const send = link.send.bind(link);
    link.send = (message) => {
      const frames = parse(message as Buffer).filter(({ type }) => type !== types.REFUSED);
      const unknown = describe(frames.filter((frame) => !isOfFirstRelease(frame)));
      if (unknown.length > 0) this.problems.push(`not of the first release: ${unknown.join()}`);
      send(message);
    };
  }

  congest(side: SideName, bytes: number): void {
    const link = this.#links[side];
    if (link === undefined || link.bufferedBytes === bytes) return;
    link.bufferedBytes = bytes;
    if (bytes === 0) link.handler?.onDrain?.();
  }

  /** Lets everything arrive and be passed on, until nothing moves any more. */
  async settle(): Promise<void> {
    if (!this.isConnected) this.connect();
    for (const side of ["relay", "client"] as const) this.congest(side, 0);
    const state = () => {
      const { relay, client } = this;
      let done = 0;
      for (const ends of this.streams) {
        for (const end of [ends.relay, ends.client]) done += end.callbacks + end.consumed;
      }
      const left = relay.unacknowledgedBytes + client.unacknowledgedBytes;
      return `${relay.received + client.received} ${done} ${left}`;
    };
    // One round alone may send as many bytes as were acknowledged, so the state of two rounds is compared.
    for (let before = ["", ""]; before.some((one) => one !== state()); ) {
      before = [...before.slice(1), state()];
      vi.advanceTimersByTime(3_500);
      for (const side of ["client", "relay"] as const) this.deliver(side, Infinity, false);
      // oxlint-disable-next-line no-await-in-loop -- one round after the other
      await Promise.resolve();
      for (const ends of this.streams) for (const end of [ends.relay, ends.client]) end.consume(Infinity);
    }
  }

  /** Checks the state that must hold once everything has settled. */
  check(): void {
    this.problems.push(...this.events);
    if (this.#heardRefusals.join() !== this.#toldRefusals.join()) {
      this.problems.push(`refusals ${this.#toldRefusals.join()}, heard ${this.#heardRefusals.join()}`);
    }
    for (const ends of this.streams) {
      for (const from of ["relay", "client"] as const) this.#checkDirection(ends[from], ends[other[from]]);
    }
  }

  #checkDirection(sender: End, receiver: End): void {
    const problem = (text: string) =>
      this.problems.push(`${sender.side} to ${receiver.side}, stream ${sender.id}: ${text}`);
    if (receiver.received > sender.written) problem("more arrived than was written");
    const wantsNoMore = sender.didReset === "no_error" && sender.ended !== undefined;
    if (!receiver.isCut || receiver.resetSeen === "no_error") {
      if (!sender.isCut || wantsNoMore) {
        if (receiver.received !== sender.written) {
          problem(`${receiver.received} of ${sender.written} bytes arrived`);
        }
        if (sender.ended !== undefined && receiver.endSeen?.join() !== sender.ended.join()) {
          problem(`ended with [${sender.ended.join()}], seen [${String(receiver.endSeen)}]`);
        }
        if (sender.waits && !sender.isCut) problem("the writer waits for ever");
      }
    }
    if (sender.didReset !== undefined && !receiver.isFinished && receiver.stream !== undefined) {
      problem(`the reset ${sender.didReset} was not seen`);
    }
    if (receiver.endSeen !== undefined && sender.ended === undefined) problem("an end that was not sent");
  }

  /** Ends every stream in order. */
  async finish(): Promise<void> {
    for (const { relay, client } of this.streams) {
      relay.end([]);
      client.head(false);
      client.end(["Last", "words"]);
    }
    await this.settle();
  }
}
