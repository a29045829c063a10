import { once } from "node:events";
import type { Socket } from "node:net";
import { type AcceptedStream, type RawHeaders, type RequestHead } from "mcp-tunnel-protocol";
import { V1ClientSession } from "mcp-tunnel-protocol/sessions";
import { WebSocketLink } from "mcp-tunnel-protocol/ws";
import { WebSocket } from "ws";

/** A request as it came out of the tunnel. */
export interface TunnelRequest {
  head: RequestHead;
  body: string;
  trailers: RawHeaders;
  /** Whether it arrived complete. */
  whole: boolean;
}

/** A client of version 1 that records every request. It answers each complete request with 200 and `ok`. */
export class RecordingClient {
  readonly requests: TunnelRequest[] = [];
  readonly #session: V1ClientSession;

  private constructor(link: WebSocketLink) {
    this.#session = new V1ClientSession((stream, head) => this.#accept(stream, head), { onClose() {} });
    this.#session.attach(link, 0);
  }

  static async connect(port: number, name: string): Promise<RecordingClient> {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/_tunnel/register`, { perMessageDeflate: false });
    const [[response]] = (await Promise.all([once(ws, "upgrade"), once(ws, "open")])) as [
      [{ socket: Socket }],
      unknown,
    ];
    ws.send(JSON.stringify({ token: "t", subdomain: name, protocol: [1] }));
    await once(ws, "message");
    ws.removeAllListeners("message");
    return new RecordingClient(new WebSocketLink(ws, response.socket));
  }

  close(): void {
    this.#session.close(1000, "");
  }

  #accept(stream: AcceptedStream, head: RequestHead) {
    const request: TunnelRequest = { head, body: "", trailers: [], whole: false };
    this.requests.push(request);
    return {
      onData(chunk: Buffer): void {
        request.body += chunk.toString("latin1");
        stream.consumed(chunk.length);
      },
      onEnd(trailers: RawHeaders): void {
        request.whole = true;
        request.trailers = trailers;
        stream.sendHead({ status: 200, headers: ["Content-Length", "2"] });
        stream.write(Buffer.from("ok"));
        stream.end();
      },
      onReset(): void {},
    };
  }
}
