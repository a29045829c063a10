import type { RequestHead, ResponseHead } from "mcp-tunnel-protocol";
import type { ExchangeObserver, RequestEvent, ServedTunnel } from "mcp-tunnel-client";
import type { Captured, CaptureListener } from "../../src/captured.js";
import { Recorder, type RecorderOptions } from "../../src/capture/recorder.js";

/** A tunnel without anything: only its identity counts. */
export const someTunnel = (): ServedTunnel => ({ url: "http://demo.test" }) as unknown as ServedTunnel;

export const requestHead = (given: Partial<RequestHead> = {}): RequestHead => ({
  method: "GET",
  path: "/",
  headers: ["Host", "demo.test"],
  ...given,
});

export const responseHead = (status: number, ...headers: string[]): ResponseHead => ({ status, headers });
export const jsonAnswer = responseHead(200, "Content-Type", "application/json");
export const eventStream = responseHead(200, "Content-Type", "text/event-stream");

export const webSocket = responseHead(101, "Upgrade", "WebSocket");

/** A WebSocket's text message as a service sends it: in one frame, without a mask (RFC 6455 section 5.2). */
export function textFrame(text: string): Buffer {
  const data = Buffer.from(text);
  const length = Buffer.alloc(data.length < 126 ? 2 : 4);
  length[0] = 0x81;
  if (data.length < 126) length[1] = data.length;
  else {
    length[1] = 126;
    length.writeUInt16BE(data.length, 2);
  }
  return Buffer.concat([length, data]);
}

export const report = (given: Partial<RequestEvent> = {}): RequestEvent => ({
  method: "GET",
  path: "/",
  status: 200,
  durationMs: 1,
  requestBytes: 0,
  responseBytes: 0,
  error: undefined,
  ...given,
});

/** Bytes that are only lent: {@link ExchangeObserver} may not keep them. */
export function lend(give: ((chunk: Buffer) => void) | undefined, bytes: string | Buffer): void {
  const chunk = Buffer.from(bytes);
  give?.(chunk);
  chunk.fill(0x21);
}

/** A recorder, with exchanges that begin in it and a log of what listeners are told. */
export class Recording {
  readonly told: string[] = [];
  readonly recorder: Recorder;
  readonly tunnel = someTunnel();
  #streamId = 0;

  constructor(options: Partial<RecorderOptions> = {}, listeners: readonly CaptureListener[] = []) {
    const note =
      (what: string) =>
      ({ id }: Captured): void => {
        this.told.push(`${what} ${id}`);
      };
    const all: Required<CaptureListener> = {
      begun: note("begun"),
      requested: note("requested"),
      answered: note("answered"),
      event: note("event"),
      message: note("message"),
      over: note("over"),
      gone: note("gone"),
    };
    const bounds = { maxBytes: 67_108_864, maxExchanges: 2_000, ...options };
    this.recorder = new Recorder(bounds, [...listeners, all]);
  }

  /** The stream of the exchange that began last. */
  get streamId(): number {
    return this.#streamId;
  }

  /** An exchange begins. Undefined if it is not captured. */
  observe(given: Partial<RequestHead> = {}): ExchangeObserver | undefined {
    this.#streamId += 1;
    return this.recorder.observe({
      id: this.#streamId,
      head: requestHead(given),
      tunnel: this.tunnel,
      streamId: this.#streamId,
      startedAtMs: performance.now(),
    });
  }

  /** The same, of an exchange that is captured. */
  begin(given: Partial<RequestHead> = {}): { entry: Captured; observer: Required<ExchangeObserver> } {
    const observer = this.observe(given);
    if (observer === undefined) throw new Error("it is not captured");
    return { entry: this.entries.at(-1)!, observer: observer as Required<ExchangeObserver> };
  }

  get entries(): Captured[] {
    return [...this.recorder.ring.entries()];
  }
}
