import type { DeclaredGate, ServedTunnel, Service } from "mcp-tunnel-client";
import type { AcceptedStream, RequestHead, StreamHandler } from "mcp-tunnel-protocol";
import type { Recorder } from "../capture/recorder.js";

/**
 * The service that replays go to, for visitors. They pass through with their own streams, so that nothing
 * stands between the tunnel and the service. The recorder is told what the service gets, which a gate may
 * have changed.
 */
export class WrappedService implements Service {
  declare readonly gate?: DeclaredGate;
  readonly service: Service;
  readonly #recorder: Recorder;
  readonly #onClose: () => void;
  #tunnel: ServedTunnel | undefined;

  constructor(service: Service, recorder: Recorder, onClose: () => void) {
    this.service = service;
    this.#recorder = recorder;
    this.#onClose = onClose;
    if (service.gate !== undefined) this.gate = service.gate;
  }

  /** The tunnel that has begun last. */
  get tunnel(): ServedTunnel | undefined {
    return this.#tunnel;
  }

  /** The service counts replays itself: to it, they are requests like all others. */
  get open(): number {
    return this.service.open;
  }

  begin(tunnel: ServedTunnel): void {
    this.service.begin?.(tunnel);
    this.#tunnel = tunnel;
  }

  accept(stream: AcceptedStream, head: RequestHead, end: boolean, tunnel: ServedTunnel): StreamHandler {
    this.#tunnel ??= tunnel;
    this.#recorder.passed(tunnel, stream.id, head);
    return this.service.accept(stream, head, end, tunnel);
  }

  async close(): Promise<void> {
    this.#onClose();
    await this.service.close();
  }
}
