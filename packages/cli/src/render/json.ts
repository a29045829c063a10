import type { TunnelError } from "mcp-tunnel-protocol";
import { printableJson } from "mcp-tunnel-shared";
import type { TunnelClient } from "mcp-tunnel-client";
import type { GateEvent } from "mcp-tunnel-gate";
import type { ReplayEvent } from "mcp-tunnel-inspector";
import type { LineMcp, OpenLine, RequestLine } from "mcp-tunnel-inspector/lines";
import type { StdioEvent } from "mcp-tunnel-stdio";
import type { Output } from "../output/output.js";
import { addressesOf } from "./mcp-addresses.js";
import type { McpPlace } from "./mcp-addresses.js";
import type { Renderer } from "./renderer.js";
import { toldPath } from "./visitor-lines.js";
import type { VisitorAuth } from "./visitor-lines.js";

/** One JSON object for each event. */
export class JsonRenderer implements Renderer {
  readonly #output: Output;
  readonly #tunnel: { readonly tunnel?: string };

  /** `tunnel`: its name in the config file. Default: the command line says what the tunnel is. */
  constructor(output: Output, tunnel?: string) {
    this.#output = output;
    this.#tunnel = tunnel === undefined ? {} : { tunnel };
  }

  follow(client: TunnelClient, places: readonly McpPlace[] = [], auth?: VisitorAuth): void {
    client.on("connected", (event) => {
      const servers = addressesOf(event, places).map(({ name, url }) => ({ name: name ?? null, url }));
      this.#line("connected", {
        ...event,
        ...(places.length === 0 ? {} : { servers }),
        ...(auth === undefined ? {} : { visitorAuth: { kinds: auth.kinds, secretFiles: auth.files } }),
      });
    });
    client.on("disconnected", ({ cause }) => this.#line("disconnected", reason(cause)));
    client.on("reconnecting", ({ attempt, delayMs, cause }) => {
      this.#line("reconnecting", { attempt, delayMs: Math.round(delayMs), ...reason(cause) });
    });
    client.on("evicted", (event) => this.#line("evicted", { message: event.reason }));
    client.on("refused", ({ code, status, count, method, path, limit, message }) => {
      const about = { code, status: status ?? null, count, method, path, message };
      this.#line("refused", limit === undefined ? about : { ...about, limit });
    });
    client.on("fault", (event) => this.#line("error", event));
    client.on("warning", (event) => this.#line("warning", event));
  }

  opened({ id, kind, startedAt, method, path, status, mcp }: OpenLine): void {
    this.#line("opened", {
      method,
      path: toldPath(path),
      status,
      id,
      kind,
      startedAt: new Date(startedAt).toISOString(),
      mcp: mcpOf(mcp),
    });
  }

  // What is undefined is left out of JSON.
  request(line: RequestLine): void {
    const { id, kind, startedAt, method, path, status, durationMs, mcp, error, events } = line;
    this.#line("request", {
      method,
      path: toldPath(path),
      status: status ?? null,
      durationMs: tenths(durationMs),
      bytes: line.responseBytes,
      requestBytes: line.requestBytes,
      error,
      id,
      kind,
      startedAt: new Date(startedAt).toISOString(),
      mcp: mcpOf(mcp),
      events,
    });
  }

  replay({ id, replayOf, method, path, status, durationMs, error, mcp }: ReplayEvent): void {
    // Its beginning has neither a status nor a duration.
    const end = durationMs === undefined ? {} : { status: status ?? null, durationMs: tenths(durationMs) };
    this.#line("replay", { id, replayOf, method, path: toldPath(path), ...end, error, mcp });
  }

  inspector(url: string): void {
    this.#line("inspector", { url });
  }

  recording(): void {
    // Who starts the command for a program has named the file.
  }

  server(name: string | undefined, event: StdioEvent): void {
    this.#line("server", { server: name ?? null, ...event });
  }

  gate(event: GateEvent, others: number): void {
    this.#line("auth", others === 0 ? event : { ...event, others });
  }

  listening(message: string | undefined): void {
    if (message !== undefined) this.warn("nothing_listens", message);
  }

  foundMcp(): void {
    // The line of the request has it all.
  }

  asking(): void {
    // No person is there.
  }

  warn(code: string, message: string): void {
    this.#line("warning", { code, message });
  }

  closing(openRequests: number): void {
    this.#line("closing", { openRequests });
  }

  failed(error: TunnelError): void {
    // An eviction has been told already, by its own event.
    if (error.code !== "evicted") this.#line("error", reason(error));
  }

  #line(event: string, fields: object): void {
    this.#output.out(printableJson({ event, ...this.#tunnel, ...fields }));
  }
}

function mcpOf(mcp: LineMcp | undefined): object | undefined {
  if (mcp?.isAnswer !== true) return mcp;
  const { isAnswer: answer, ...rest } = mcp;
  return { ...rest, answer };
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function reason(error: TunnelError): { code: string; message: string } {
  return { code: error.code, message: error.message };
}
